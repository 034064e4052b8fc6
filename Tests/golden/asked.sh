# shellcheck shell=bash disable=SC2154
# SPDX-License-Identifier: Apache-2.0
#
# asked.sh - what golden.sh asks the program: each function says one group of texts.

helps() {
    local command
    say --help
    # The commands are those that the program names itself.
    for command in $("$run" --help | awk '/^SUBCOMMANDS:/ {on = 1; next} on && /^  [a-z]/ {print $1}'); do
        say "$command" --help
    done
    say help build
    ! wide || for command in bash zsh fish; do say completions $command; done
}
usage_errors() {
    cd "$closure" || return
    local plan=("${closure_options[@]}" --plan) words
    while read -ra words; do say "${words[@]}"; done <<'ERRORS'

--nonsense
nonsense
build
build --closure result
build --closure result --out pi.iso
build --closure result --out pi.img --json --progress nonsense
build --closure result --out - --json
build --plan
inspect
inspect nowhere.img
inspect --nonsense nowhere.img
inspect .
ls
ls nowhere.img /
cat nowhere.img
cat nowhere.img /x
extract nowhere.img /x
extract nowhere.img /x here
verify
verify nowhere.img
verify --threads 0 nowhere.img
verify --progress fast nowhere.img
diff nowhere.img
diff nowhere.img elsewhere.img
completions
completions tcsh
ERRORS
    while read -ra words; do say "${plan[@]}" "${words[@]}"; done <<'ERRORS'
--gap nonsense
--gap -1
--gap 1X
--gap 1000
--gap 0
--root-size 1M
--root-size 3T
--firmware-size 1M
--firmware-size 99999999999999999999
--root-slack 1.5G
--reserved-percent 51
--reserved-percent x
--root-label seventeen-bytes-i
--firmware-label lower-case-label
--root-uuid 1234
--root-uuid 00000000-0000-0000-0000-000000000000
--disk-id xyz
--disk-id 0
--level 99
--frame-size 1000
--threads 0
--threads 5000
--board pi9
--board pi4 --board none
--boot nonsense
--menu-timeout soon
--device-tree nowhere.dtb
--registration nowhere
--registration-path relative
--root-files nowhere
--copy nowhere:/x
--copy firmware
--copy firmware:/nix/store/x
--copy firmware:x
--copy firmware:/x:9999
--raw firmware/config.txt
--raw firmware/config.txt@0
--raw firmware/config.txt@2M
--raw nowhere@1K
--firmware nowhere
--store-root nowhere
--closure nowhere
--config-txt
ERRORS
    say --closure nowhere --store-root root --plan
    say --closure result --store-root root --registration firmware/config.txt --plan
    say --closure firmware --store-root root --scan-references --plan
    say "${closure_options[@]}" --out nowhere/pi.img
}
plans() {
    cd "$closure" || return
    local plan=("${closure_options[@]}" --plan) words
    while read -ra words; do
        say "${plan[@]}" "${words[@]}"
        say "${plan[@]}" "${words[@]}" --json
    done <<'PLANS'

--boot none
--boot kernel
--board pi4 --menu-timeout none --device-tree none
--profile --check --root-files files --copy firmware:/etc/firmware:0600:1:2
--gap 1M --root-slack 0 --no-deduplicate --reserved-percent 5
--root-size 1G --firmware-size 600M --root-label ROOT --firmware-label BOOT --disk-id 0x12345678
--raw firmware/config.txt@8K --registration-path /etc/registration
PLANS
}
# Everything about an image but how it differs from the sound one.
look() { # IMAGE
    say inspect "$1"
    say inspect --json "$1" | lines
    say ls -lR "$1"
    say ls -R --json "$1"
    say ls -lR "$1" firmware:/
    say ls -R --json "$1" firmware:/
    say verify --progress none "$1"
    say verify --progress none --json "$1" | lines
    say cat "$1" /nowhere
    say cat "$1" firmware:/config.txt
}
sound() {
    local edge=/nix/store/5fghjklzxcvbnm0987654321qwryipas-edge-cases-1.0
    cd "$corpus" || return
    if wide; then
        look pi.img
        say inspect --all pi.img
        say inspect --html page.html pi.img; cat page.html; rm page.html
    fi
    say inspect pi.img
    say inspect --json pi.img | lines
    say verify --progress none pi.img
    say verify --progress none --json pi.img | lines
    say ls pi.img
    say ls -l pi.img /
    say ls -R pi.img /boot
    say ls -lR pi.img $edge | grep -vE 'level[2-9]|level..| length-....' | grep -v ' entry-number-.[0-9]'
    say ls -ld pi.img $edge
    say ls --json pi.img /nix/store
    say ls -R --json pi.img $edge/names
    say ls --json pi.img $edge/hard/a
    say ls pi.img $edge/links/dangling
    say ls pi.img $edge/links/loop
    say ls pi.img /nowhere
    say ls pi.img 3:/
    say ls pi.img nonsense:/
    say ls -lR pi.img firmware:/
    say ls -R --json pi.img firmware:/
    say cat pi.img /boot/extlinux/extlinux.conf firmware:/config.txt
    say cat pi.img /nowhere
    say cat pi.img /nix
    say cat pi.img $edge/links/loop
    say extract pi.img /nowhere "$work/extracted"
    say extract --progress none pi.img $edge/modes "$work/extracted"
    [ ! -e "$work/extracted" ] || { (cd "$work/extracted" && stat -c '%A %s %n' ./*); chmod -R u+w "$work/extracted"; }
    say extract pi.img $edge/modes/700 "$work/extracted/700"
    rm -rf "$work/extracted"
}
compressed() {
    cd "$corpus" || return
    ! wide || look pi.img.zst
    say ls -l pi.img.zst /boot/nixos
    say cat pi.img.zst firmware:/config.txt
    say verify --progress none pi.img.zst
    say verify --progress none --json pi.img.zst | lines | sed 's/"fileSize":[0-9]*/"fileSize":…/'
}
differences() {
    cd "$corpus" || return
    local words
    say diff pi.img pi.img
    say diff pi.img pi.img.zst
    while read -ra words; do say diff "${words[@]}" pi.img next.img | lines; done <<'WORDS'

--files
--all --content
--json
--json --files
WORDS
    say diff next.img pi.img
    say diff pi.img text.img
    say diff ext2.img ext4.img
    say diff --json fat16.img fat32.img
    say diff fat16.img gpt.img
}
foreign() { # NAME
    cd "$corpus" || return
    if wide; then look "$1.img"; return; fi
    say inspect "$1.img"
    say inspect --json "$1.img" | lines
    say verify --progress none "$1.img"
    say verify --progress none --json "$1.img" | lines
    say ls -l "$1.img"
    say ls --json "$1.img" firmware:/
}
damaged() { # CASE
    echo "== $1"
    if wide; then
        look pi.img
        say diff ../corpus/pi.img pi.img
        say diff --json ../corpus/pi.img pi.img
    else
        delta verify verify --progress none pi.img
        delta json verify --progress none --json pi.img
        delta inspect inspect pi.img
    fi
    echo
}
