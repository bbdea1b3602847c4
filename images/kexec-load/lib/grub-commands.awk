# SPDX-License-Identifier: MIT
# GRUB's commands, as far as they decide what is booted. The command's words are args[1..argc]; what it came to is left
# in `status`: 0, GRUB's error number, or UNKNOWN with the reason in status_why. One that is not in these lists may do
# anything to the menu: it ends the program.
BEGIN {
    # What these do is nothing to the choice; whether they succeed only GRUB knows.
    note_commands("insmod rmmod loadfont terminal_input terminal_output serial play background_image background_color " \
        "clear sleep keystatus keymap save_env list_env lsmod ls cat cmp hexdump help hello cpuid cryptomount videoinfo " \
        "videotest nativedisk usb terminfo sendkey password password_pbkdf2 authenticate trust distrust list_trusted " \
        "verify_detached sha1sum sha256sum sha512sum md5sum hashsum crc stat file lspci lsacpi lsefi lsefisystab " \
        "lsefimmap lsmmap lsfonts lssal lsapm vbeinfo vbetest hdparm date gettext tpm lspnp btrfs-mount-subvol " \
        "zfsinfo", "quiet")
    # And these also set variables, which they name.
    note_commands("probe smbios regexp hwmatch read rdmsr getenv inb inw inl read_byte read_word read_dword", "asking")
    # They start something, or take a part of what Linux gets: in an entry that is no Linux that kexec could start.
    note_commands("chainloader fwsetup halt reboot exit devicetree multiboot multiboot2 module module2 ntldr linuxloader " \
        "loopback normal_exit freedos plan9 truecrypt knetbsd kfreebsd kopenbsd knetbsd_module efi efiemu_loadcore " \
        "xen_hypervisor xen_linux xen_initrd xen_module xen_kernel xnu_kernel xnu_kernel64 xnu_resume xnu_splash " \
        "normal configfile legacy_configfile syslinux_configfile syslinux_source legacy_source extract_legacy_entries_" \
        "configfile extract_entries_configfile extract_entries_source acpi cutmem badram", "starting")
    note_commands("! set unset export [ test true false echo load_env increment decrement search search.fs_uuid " \
        "search.fs_label search.file search.part_uuid search.part_label search.disk_uuid search_fs_uuid search_label " \
        "source . blscfg linux linux16 linuxefi initrd initrd16 initrdefi return break continue shift setparams eval " \
        "boot menuentry submenu", "known")
}

function note_commands(list, what,    count, names, at) {
    count = split(list, names, " ")
    for (at = 1; at <= count; at++) command_sort[names[at]] = what
}

function is_command(name) {
    return name in command_sort
}

function command(    name) {
    name = args[1]
    if (name ~ /^[^=]*\001/) give_up("grub.cfg, line " line ": a command depends on " what_is_unknown(name))
    if (name in command_sort) run_command(name, command_sort[name])
    else if (name in function_body) call(function_body[name])
    else if (name ~ /^[^=]+=/) assign(name)
    else give_up("grub.cfg, line " line ": '" name "' is not understood")
}

function run_command(name, sort) {
    if (sort == "quiet") not_sure("whether '" name "' succeeds")
    else if (sort == "asking") ask_hardware(name)
    else if (sort == "starting") not_linux(name)
    else if (name == "!") negated_command()
    else if (name == "[" || name == "test") test_command(name)
    else if (name ~ /^search/) search(name)
    else if (name ~ /^linux/) note_kernel()
    else if (name ~ /^initrd/) note_initrds()
    else if (name == "boot") boot()
    else if (name == "return") leave_function()
    else if (name == "load_env") load_environment()
    else if (name == "eval") evaluate()
    else if (name == "source" || name == ".") include(args[2])
    else if (name == "set" || name == "unset" || name == "export") change_variable(name)
    else if (name == "increment") increase(args[2])
    else if (name == "decrement") count_boot()
    else if (name == "true" || name == "echo" || name == "false") status = name == "false"
    else if (name == "blscfg") add_entry_files()
    else give_up("grub.cfg, line " line ": '" name "' is not understood")
}

function not_sure(why) {
    status = UNKNOWN
    status_why = why
}

# Outside of entries these end the menu, or give GRUB another one, or change the machine for all that is booted.
function not_linux(name) {
    if (name == "fwsetup" && args[2] == "--is-supported" || name == "loopback" && !in_entry) {
        not_sure("whether '" name "' succeeds")
        return
    }
    if (!in_entry && name !~ /^(chainloader|devicetree|multiboot2?|module2?|ntldr|linuxloader|xen_.*)$/)
        give_up("grub.cfg, line " line ": '" name "' outside of an entry is not understood")
    if (other == "") other = name
    not_sure("whether '" name "' succeeds")
}

function negated_command(    at) {
    for (at = 1; at < argc; at++) args[at] = args[at + 1]
    argc--
    status = 0
    if (argc) command()
    if (status != UNKNOWN) status = status == 0
}

function test_command(name,    result) {
    result = truth_of(2, argc - (name == "[" && args[argc] == "]"))
    if (result == UNKNOWN) not_sure(test_why)
    else status = !result
}

# What a variable is called by the commands that set one: --set=NAME, -s NAME, NAME, NUMBER:NAME.
function ask_hardware(name,    at, target) {
    for (at = 2; at <= argc; at++) {
        target = args[at]
        sub(/^--?[a-z]+=/, "", target)
        sub(/^[0-9]+:/, "", target)
        if (target ~ /^[A-Za-z_][A-Za-z0-9_]*$/) variable[target] = unknown("what '" name "' says")
    }
    if (name == "hwmatch") variable["match"] = unknown("what 'hwmatch' says")
    not_sure("what '" name "' says")
}

# `return` takes the number, or the status of the command before it.
function leave_function() {
    if (scope == entry_scope || including)
        give_up("grub.cfg, line " line ": 'return' outside of a function is not understood")
    if (argc > 2 || (argc == 2 && args[2] !~ /^[0-9]$/)) give_up("grub.cfg, line " line ": 'return' is not understood")
    if (argc == 2) status = args[2] + 0
    leaving = "function"
}

# What is loaded is started at once; without a kernel the command fails.
function boot() {
    if (!in_entry) give_up("grub.cfg, line " line ": 'boot' outside of an entry is not understood")
    if (kernel other != "") leaving = "boot"
    status = SOME_FAILURE
}

function evaluate(    at, text) {
    text = ""
    for (at = 2; at <= argc; at++) text = text (at > 2 ? " " : "") args[at]
    if (is_unknown(text)) give_up("grub.cfg, line " line ": what 'eval' runs depends on " what_is_unknown(text))
    result = 0
    run(text_at(text, "eval"), 1)
    status = result
}

# -- variables ----------------------------------------------------------------------------------------------

function change_variable(name) {
    status = 0
    if (argc < 2) return
    if (is_unknown(args[2]) && args[2] !~ /^[^=\001]+=/)
        give_up("grub.cfg, line " line ": which variable is set depends on " what_is_unknown(args[2]))
    if (name == "set") assign(args[2])
    else if (name == "unset") delete variable[args[2]]
    else export_variables()
}

function export_variables(    at) {
    for (at = 2; at <= argc; at++) exported[args[at]] = 1
}

function assign(text,    at) {
    at = index(text, "=")
    status = at > 1 ? 0 : SOME_FAILURE
    if (at > 1) set_value(substr(text, 1, at - 1), substr(text, at + 1))
}

function increase(name) {
    status = 0
    if (variable[name] !~ /^(0|[1-9][0-9]*)$/) variable[name] = unknown("what 'increment' makes of " name)
    else variable[name]++
}

# Boards that try an update a number of times let GRUB count; a kexec would not be counted.
function count_boot() {
    give_up("grub.cfg: GRUB counts this boot in '" args[2] "', and a kexec would not be counted")
}

# `search --fs-uuid --set=root UUID`: the variable gets the device UUID=... or LABEL=..., to be looked up in /dev/disk.
function search(name,    at, type, target, what, sets) {
    type = name ~ /fs_uuid/ ? "UUID=" : name ~ /label/ && name !~ /part/ ? "LABEL=" : ""
    target = name ~ /^search[._]/ ? "" : "root"
    for (at = 2; at <= argc; at++) {
        if (args[at] == "--fs-uuid" || args[at] == "-u") type = "UUID="
        else if (args[at] == "--label" || args[at] == "-l") type = "LABEL="
        else if (args[at] ~ /^(--set=.*|--set|-s)$/) {
            sets = 1
            if (args[at] ~ /=/) target = substr(args[at], 7)
        } else if (args[at] ~ /^--hint(-[a-z]+)?$/) at++
        else if (args[at] ~ /^-/ && args[at] !~ /^(--no-floppy|-n|--hint.*|--file|-f)$/)
            give_up("grub.cfg, line " line ": 'search " readable(args[at]) "' is not understood")
        else if (args[at] !~ /^-/) words_of_search[++what] = args[at]
    }
    not_sure("whether '" name "' finds a disk")
    if (name ~ /^search[._]/ && what > 1) {
        target = words_of_search[2]
        sets = 1
    } else if (what > 1) type = ""
    if (sets) set_device(target, type, what ? words_of_search[1] : "")
}

function set_device(target, type, what) {
    if (is_unknown(target)) give_up("grub.cfg, line " line ": which variable is set depends on " what_is_unknown(target))
    if (type == "" || what == "" || is_unknown(what)) variable[target] = unknown("which disk 'search' finds")
    else variable[target] = marked("d", type what)
}

# -- other files --------------------------------------------------------------------------------------------

# GRUB prints the errors of a file, one that is not there included, and says that all is well.
function include(path,    found, file, before) {
    found = file_kind(path)
    status = 0
    if (found == "none" || found == "folder") return
    if (found != "text" && found != "empty")
        give_up("grub.cfg, line " line ": the file " readable(path) " that GRUB reads cannot be read here")
    if (++includes > 50) give_up("grub.cfg: too many files read by one another")
    if (found == "empty") return
    file = text_file(path)
    before = variable["config_directory"]
    variable["config_directory"] = folder_of(path)
    including++
    run(script_at(file, base_name(file)), 1)
    including--
    variable["config_directory"] = before
    status = 0
}

# While a file is read, config_directory is where it is.
function folder_of(path) {
    if (path !~ /^\(/) path = "(" variable["root"] ")" path
    sub(/\/[^\/]*$/, "", path)
    return path
}

# -- what an entry loads ------------------------------------------------------------------------------------

function note_kernel(    at) {
    kernel = args[2]
    command_line = ""
    initrds = 0
    for (at = 3; at <= argc; at++) command_line = command_line (at > 3 ? " " : "") quoted(args[at])
    if (kernel ~ /memtest/) not_linux("memory test")
    kernel = plain_path(kernel)
    status = 0
}

# As GRUB writes words into the command line (lib/cmdline.c): blanks get double quotes, quotes a backslash.
function quoted(text,    result, at) {
    result = ""
    while (match(text, /[\\'"]/)) {
        result = result substr(text, 1, RSTART - 1)
        text = substr(text, RSTART)
        result = result (text ~ /^\\x[0-9A-Fa-f][0-9A-Fa-f]/ ? "\\" : "\\" substr(text, 1, 1))
        text = substr(text, 2)
    }
    result = result text
    return index(result, " ") ? "\"" result "\"" : result
}

function note_initrds(    at) {
    initrds = 0
    for (at = 2; at <= argc; at++) {
        if (args[at] ~ /^-/) continue
        if (args[at] ~ /^newc:/) not_linux("an initrd made by GRUB")
        initrd[++initrds] = plain_path(args[at])
    }
    status = 0
}
