# SPDX-License-Identifier: GPL-3.0-or-later
#
# Cohorts with known futures: awk -v seed=1 [-v alike=1] -f cohorts.awk. 16 campaigns of 4 networks and 2 geos, 330 install
# dates from 2024-01-01, revenue of ages 0 to 180 where there is any (age 0 always). Purchases are Poisson, falling as a
# power of age that differs by network; amounts lognormal; quality differs by campaign and geo, drifts and jitters by
# install date. alike=1: one power for all networks, fewer and larger amounts.
function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand()) }
function poisson(m,  n, x) { if (m > 30) { n = int(m + sqrt(m) * normal() + .5); return n < 0 ? 0 : n } n = 0; for (x = -log(1 - rand()); x < m; x -= log(1 - rand())) n++; return n }
function date(t,  y, m, d) { y = 2024; while (t >= 365 + (y % 4 == 0)) { t -= 365 + (y % 4 == 0); y++ }
    for (m = 1; ; m++) { d = m == 2 ? 28 + (y % 4 == 0) : (m == 4 || m == 6 || m == 9 || m == 11) ? 30 : 31; if (t < d) return sprintf("%04d-%02d-%02d", y, m, t + 1); t -= d } }
BEGIN {
    srand(seed); campaigns = 16; days = 330
    print "install_date,age,campaign_id,ad_network,geo,users,spend,revenue"
    for (n = 0; n < 4; n++) { decay[n] = alike ? 1.1 : .75 + .25 * n + .05 * normal() }
    for (g = 0; g < 2; g++) worth[g] = exp(.4 * normal())
    for (c = 0; c < campaigns; c++) {
        n = c % 4; g = int(c / 4) % 2; quality = exp(.3 * normal()); size = exp(4.6 + .8 * normal()); slope = decay[n] + .06 * normal()
        drift = 0
        for (t = 0; t < days; t++) {
            drift = .97 * drift + .04 * normal()
            users = 1 + poisson(size * exp(.3 * normal()))
            level = .12 * quality * worth[g] * exp(drift + .15 * normal())
            cost = users * level * .25 * 3.02 * (1 + log(1 + 40 * rand())) * exp(.1 * normal())
            for (a = 0; a <= 180; a++) {
                v = 0
                for (k = poisson(users * level * .25 * (a + 1) ^ -slope); k > 0; k--) v += exp(alike ? 1.5 * normal() : .7 + .9 * normal())
                if (v > 0 || a == 0) printf "%s,%d,c%d,n%d,g%d,%d,%.2f,%.2f\n", date(t), a, c, n, g, users, cost, v
            }
        }
    }
}
