#pragma once
// Debian puts pcsc-lite's headers into a folder of their own, and they name one another without it. Its pkg-config file says where they
// are, together with flags that SwiftPM does not take (and warns of at each build); so the two names they use lead there from here.
#include <PCSC/winscard.h>
