// SwiftPM wants a source file beside the header; the function is in the toolchain's libFuzzer.
#include "CFuzzer.h"
