/* The macros of libext2fs that Swift does not import, as functions. Nothing here is compiled on its own. */
#pragma once
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <et/com_err.h>

/* The values of the error codes do not fit an int, which the importer would make of them. */
static inline errcode_t mk_et_magic_io_channel(void) { return EXT2_ET_MAGIC_IO_CHANNEL; }
static inline errcode_t mk_et_magic_io_manager(void) { return EXT2_ET_MAGIC_IO_MANAGER; }
static inline errcode_t mk_et_invalid_argument(void) { return EXT2_ET_INVALID_ARGUMENT; }
static inline errcode_t mk_et_short_read(void) { return EXT2_ET_SHORT_READ; }
static inline errcode_t mk_et_read_only(void) { return EXT2_ET_RO_FILSYS; }
