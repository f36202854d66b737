#include "base/status.h"

const char *ssfer_version(void)
{
    return SSFER_VERSION_STRING;
}

const char *ssfer_build_info(void)
{
    return "CPU: oneDNN, OpenMP; compiled by "
#if defined(__clang__)
           "clang " __clang_version__;
#elif defined(__GNUC__)
           "gcc " __VERSION__;
#else
           "an unknown compiler";
#endif
}
