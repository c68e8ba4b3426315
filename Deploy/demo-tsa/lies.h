// What an authority can do to a time-stamp that it must not.
#pragma once
#include <openssl/ts.h>
#include <stdbool.h>

enum lie {
    lie_wrong_imprint = 1 << 0,
    lie_wrong_nonce = 1 << 1,
    lie_no_nonce = 1 << 2,
    lie_wrong_policy = 1 << 3,
    lie_time = 1 << 4,
    lie_no_eku = 1 << 5,
    lie_flipped_signature = 1 << 6,
    lie_two_signers = 1 << 7,
    lie_truncated = 1 << 8,
    lie_rejection = 1 << 9,
};

// Those of one answer; several go together.
struct lies {
    unsigned set;
    long time_offset;  // seconds, with lie_time
};

// A request for the same without its nonce (and without extensions), which is not something that one can be set to. NULL when memory ran out.
TS_REQ *lies_without_nonce(TS_REQ *request);

// Makes it the request that OpenSSL is given in place of the client's: with another imprint, nonce or policy. False when memory ran out.
bool lies_change_request(TS_REQ *request, const struct lies *lies);

// What is changed when the token is made already. Rejections stay as they are.
bool lies_change_answer(TS_RESP *answer, const struct lies *lies);
