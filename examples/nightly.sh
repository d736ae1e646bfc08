#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
#
# The nightly job: tomorrow's budgets from all that was observed. One at a time (lock), the file of the day appears
# whole or not at all, and a failure is heard: the exit status is mi's own and the log goes to standard error, which
# cron mails. A crontab:
#
#     MAILTO=marketing@example.org
#     BUDGET=20000
#     17 4 * * *  /usr/local/share/mi/examples/nightly.sh /srv/campaigns
#
# usage: nightly.sh [FOLDER]     without one: a simulated portfolio, to see how it goes
#
# FOLDER holds what allocate reads. Left there: allocation-DATE.csv with its summary-DATE.json, latest.csv (a link to
# the newest), and nightly.log. Who reads allocations reads latest.csv: it changes only when a night went well.
set -u
here=$(cd "$(dirname "$0")" && pwd)
today=$(date +%F)

if [ $# -eq 0 ]; then
    set -- "${EXAMPLE_OUTPUT:-.}/mi-nightly"
    mkdir -p "$1"
    echo "simulated portfolio of 12 campaigns in $1"
    mi-simulate campaigns --campaigns=12 -o "$1/campaigns.csv" &&
        mi-simulate days --campaigns=12 -o "$1/days.csv" &&
        mi-simulate users --count=5000 -o "$1/users.csv" || exit 2
    BUDGET=${BUDGET:-30000}
    export BUDGET
fi
cd "$1" || exit 2

exec 9>.lock
if ! flock -n 9; then
    echo "nightly: another run holds $1/.lock" >&2
    exit 2
fi

status=0
"$here/allocate" --summary="summary-$today.json" -o "allocation-$today.csv" >nightly.log 2>&1 || status=$?
if [ "$status" -ne 0 ]; then
    echo "nightly: no allocation for $today (status $status); $1/latest.csv stays as it was" >&2
    cat nightly.log >&2
    exit "$status"
fi
ln -sf "allocation-$today.csv" .latest.new && mv -f .latest.new latest.csv
echo "allocation-$today.csv: $(($(wc -l <"allocation-$today.csv") - 1)) campaigns"
