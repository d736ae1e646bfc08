# SPDX-License-Identifier: GPL-3.0-or-later
#
# Days of campaigns whose CAC is known: awk -v seed=1 -v campaigns=60 -v days=180 -v first=0 -f cac-days.awk
# Mean new customers of a day = spend / cac, cac = base of the network x geo x campaign (lognormal, 25 %) x the market's
# price index (a slow walk) x weekday x (1 + spend / (3 usual spend)) / (4/3). Counts are gamma-Poisson, dispersion 0.02.
# The column true_cac is that of the day with 5 % costs.
function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand()) }
function gamma(shape,    d, c, x, v, u) { # Marsaglia & Tsang 2000
    d = shape - 1 / 3; c = 1 / sqrt(9 * d)
    for (;;) {
        do { x = normal(); v = 1 + c * x } while (v <= 0)
        v = v * v * v; u = rand()
        if (log(1 - u) < 0.5 * x * x + d - d * v + d * log(v)) return d * v
    }
}
function poisson(mean,    n, limit, product) {
    if (mean > 500) { n = int(mean + sqrt(mean) * normal() + 0.5); return n < 0 ? 0 : n }
    limit = exp(-mean); product = rand()
    for (n = 0; product > limit; n++) product *= rand()
    return n
}
BEGIN {
    srand(seed)
    split("google facebook tiktok unity", network, " "); split("US DE JP BR", geo, " ")
    split("1 1.3 0.8 1.6", by_network, " "); split("1.4 1.1 1.2 0.6", by_geo, " ")
    split("1 1 1 1.05 1.1 0.85 0.8", weekday, " ")
    print "date,campaign_id,ad_network,geo,cpm_index,competition,spend,new_customers,true_cac"
    for (c = 1; c <= campaigns; c++) {
        n[c] = 1 + int(4 * rand()); g[c] = 1 + int(4 * rand())
        own[c] = exp(0.25 * normal()); usual[c] = exp(log(200) + log(25) * rand()); level[c] = 1
    }
    index_now = 1
    for (d = 0; d < days; d++) {
        index_now *= exp(0.03 * normal() - 0.05 * log(index_now))
        competition = int(10 * (0.5 + 0.4 * log(index_now) + 0.1 * rand()))
        for (c = 1; c <= campaigns; c++) {
            level[c] *= exp(0.15 * normal() - 0.2 * log(level[c]))
            spend = usual[c] * level[c]
            cac = 20 * by_network[n[c]] * by_geo[g[c]] * own[c] * index_now * weekday[d % 7 + 1] * (1 + level[c] / 3) / (4 / 3)
            new = poisson(spend / cac * gamma(50) / 50)
            if (d >= first)
                printf "%s,k%03d,%s,%s,%.4f,%d,%.2f,%d,%.6f\n", strftime("%Y-%m-%d", 1735689600 + 86400 * d, 1), c,
                       network[n[c]], geo[g[c]], index_now, competition, spend, new, cac * 1.05
        }
    }
}
