/* What Swift cannot reach of libext2fs by itself: macros. Nothing here is compiled on its own. */
#pragma once
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>
#include <et/com_err.h>

/* The error codes are macros whose values do not fit what the importer takes for an int. */
static inline errcode_t mk_et_magic_io_channel(void) { return EXT2_ET_MAGIC_IO_CHANNEL; }
static inline errcode_t mk_et_magic_io_manager(void) { return EXT2_ET_MAGIC_IO_MANAGER; }
static inline errcode_t mk_et_invalid_argument(void) { return EXT2_ET_INVALID_ARGUMENT; }
static inline errcode_t mk_et_short_read(void) { return EXT2_ET_SHORT_READ; }
static inline errcode_t mk_et_read_only(void) { return EXT2_ET_RO_FILSYS; }
static inline errcode_t mk_et_inode_checksum(void) { return EXT2_ET_INODE_CSUM_INVALID; }
