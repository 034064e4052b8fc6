/* What ImageKit uses of libzstd. Nothing here is compiled on its own. */
#pragma once
#include <zstd.h>
#include <zstd_errors.h>
