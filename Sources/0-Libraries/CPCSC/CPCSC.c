// Everything is in the library: SwiftPM wants a source file of a C target, and this one proves that the headers are found.
#include "CPCSC.h"
