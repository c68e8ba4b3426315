#pragma once
/* CRYPTOKI_GNU would rename everything to ck_*; without it the names are those of the standard. */
#include <p11-kit/pkcs11.h>
