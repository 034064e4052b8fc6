#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# static.sh STATIC DYNAMIC CLOSURE - prove that the static program needs no other files, and behaves like the dynamic
# one.
#
# STATIC is the output of release/static.sh, DYNAMIC the ordinary program, CLOSURE a directory that
# fixtures/small/make.sh filled. STATIC runs in an empty chroot: no library, no /proc, no /etc, no /tmp.
# Exit status 77: a chroot is not allowed here.
set -euo pipefail

[ $# -eq 3 ] || { echo "usage: static.sh STATIC DYNAMIC CLOSURE" >&2; exit 64; }
export PATH=$PATH:/usr/sbin:/sbin
static=$(readlink -f "$1") dynamic=$(readlink -f "$2") closure=$(readlink -f "$3")
fail() { echo "static.sh: $*" >&2; exit 1; }

enter=("$(command -v chroot)"); [ "$(id -u)" = 0 ] || enter=("$(command -v unshare)" -r "${enter[@]}")
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
empty=$work/empty
mkdir "$empty"
cp "$static" "$empty/mkpiimg"
"${enter[@]}" "$empty" /mkpiimg --version >/dev/null 2>"$work/errors" || {
    grep -qE '^(unshare|chroot):' "$work/errors" || fail "it does not run in an empty chroot: $(cat "$work/errors")"
    echo "SKIPPED: $(head -1 "$work/errors")" >&2; exit 77
}
inside() { env -i "${enter[@]}" "$empty" /mkpiimg "$@"; }

[ "$(inside --version)" = "$("$dynamic" --version)" ] || fail "the versions differ"
for page in --help "build --help" "completions bash"; do
    # shellcheck disable=SC2086 # several words
    cmp <(inside $page) <("$dynamic" $page) || fail "the output of '$page' differs"
done

cp -a "$closure/root" "$closure/firmware" "$closure/result" "$empty/"
make=(--closure result --store-root root --scan-references --firmware firmware --progress none)
for image in pi.img pi.img.zst; do
    inside "${make[@]}" --out "/$image"
    (cd "$empty" && "$dynamic" "${make[@]}" --out "$work/$image")
    cmp "$empty/$image" "$work/$image" || fail "$image has other bytes"
done
inside "${make[@]}" --threads 5 --out - | cmp - "$work/pi.img.zst"

# A failure has its message and its exit status, although the chroot has no files of the C library.
status=0; inside --closure nowhere --store-root root --out /no.img 2>"$work/errors" || status=$?
{ [ $status = 1 ] && grep -q nowhere "$work/errors"; } \
    || fail "a missing closure: status $status, $(cat "$work/errors")"

# mkpiimg can start Nix (here a stub), and a signal ends both programs.
mkdir "$work/bin"
printf '#!/bin/sh\necho "$*" >"%s/arguments"; exec /bin/sleep 60\n' "$work" >"$work/bin/nix-store"
chmod +x "$work/bin/nix-store"
env -i PATH="$work/bin" "$static" --closure "$closure/result" --store-root "$closure/root" \
    --firmware "$closure/firmware" --progress none --out "$work/no.img" 2>"$work/errors" & process=$!
for ((tries = 100; tries > 0; tries--)); do [ ! -s "$work/arguments" ] || break; sleep 0.1; done
[ -s "$work/arguments" ] || fail "it did not run nix-store: $(cat "$work/errors")"
kill -TERM $process
status=0; wait $process || status=$?
[ $status = 143 ] || fail "after SIGTERM: status $status, $(cat "$work/errors")"

echo "the static program: $(stat -c %s "$static") bytes, the same images as the dynamic one, in an empty chroot"
