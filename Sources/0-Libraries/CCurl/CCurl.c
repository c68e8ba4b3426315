#include "CCurl.h"

CURLcode ccurl_set_long(CURL *transfer, CURLoption option, long value) { return curl_easy_setopt(transfer, option, value); }
CURLcode ccurl_set_offset(CURL *transfer, CURLoption option, curl_off_t value) { return curl_easy_setopt(transfer, option, value); }
CURLcode ccurl_set_pointer(CURL *transfer, CURLoption option, const void *value) { return curl_easy_setopt(transfer, option, value); }

CURLcode ccurl_set_receivers(CURL *transfer, ccurl_receiver body, ccurl_receiver header, void *context) {
    CURLcode code = curl_easy_setopt(transfer, CURLOPT_WRITEFUNCTION, body);
    if (code == CURLE_OK) code = curl_easy_setopt(transfer, CURLOPT_WRITEDATA, context);
    if (code == CURLE_OK) code = curl_easy_setopt(transfer, CURLOPT_HEADERFUNCTION, header);
    if (code == CURLE_OK) code = curl_easy_setopt(transfer, CURLOPT_HEADERDATA, context);
    return code;
}

CURLcode ccurl_get_long(CURL *transfer, CURLINFO info, long *value) { return curl_easy_getinfo(transfer, info, value); }
CURLcode ccurl_get_offset(CURL *transfer, CURLINFO info, curl_off_t *value) { return curl_easy_getinfo(transfer, info, value); }
CURLcode ccurl_get_pointer(CURL *transfer, CURLINFO info, void **value) { return curl_easy_getinfo(transfer, info, value); }
CURLMcode ccurl_multi_set_long(CURLM *transfers, CURLMoption option, long value) { return curl_multi_setopt(transfers, option, value); }
