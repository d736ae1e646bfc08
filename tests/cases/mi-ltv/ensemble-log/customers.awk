# SPDX-License-Identifier: GPL-3.0-or-later
#
# 600 customers who buy at rates of their own from 2026-01-01 on, until 2026-09-30: a log, and users with what they
# bought in the 90 days after 2026-06-30. The generator is Park and Miller's, so that every awk draws the same.
function uniform() { state = state * 16807 % 2147483647; return state / 2147483647 }
function exponential() { return -log(uniform()) }
function day(t,    m, d) { d = int(t) + 1; for (m = 1; d > days[m]; m++) d -= days[m]; return sprintf("2026-%02d-%02d", m, d) }
BEGIN {
    split("31 28 31 30 31 30 31 31 30 31 30 31", days, " ")
    state = 4711
    print "customer_id,date,amount" > "log.csv"
    print "customer_id,channel,visits,ltv_90d" > "users.csv"
    for (i = 1; i <= 600; i++) {
        first = int(uniform() * 170); rate = exponential() / 30; gone = first + exponential() * 200; worth = 10 * (1 + exponential())
        spent = 0
        for (t = first; t < 272; t += exponential() / rate) {
            if (t > gone && t > first) break
            amount = sprintf("%.2f", worth * (0.5 + uniform()))
            printf "c%d,%s,%s\n", i, day(t), amount > "log.csv"
            if (t >= 181 && t < 271) spent += amount
        }
        printf "c%d,%s,%d,%.2f\n", i, uniform() < 0.5 ? "web" : "app", rate * 200 + 5 * uniform(), spent > "users.csv"
    }
}
