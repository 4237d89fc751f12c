# What the scripts share: the path of `host:/path`, and how an error is told.
arg_path() { echo "${1#*:}"; }

error_message() {
    { echo "ERROR MESSAGE --8<------"; echo "$1"; echo "ERROR MESSAGE ------>8--"; } >&2
    exit 1
}
