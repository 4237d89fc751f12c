# lib.sh - what lab and lab-stop share. Sourced by them, after that of the demo.
LAB=$(realpath -m "${LAB_DIR:-$TREE/.lab}")
WORLD=$LAB/hosts
HOSTS=$TREE/share/lab/hosts
COUNT=3
NET=10.77.0                                # of the hosts, as share/lab/hosts numbers them
OWN_STORE=100                              # the first datastore that somebody makes: each host has its directory for itself
engine_in "$LAB"
