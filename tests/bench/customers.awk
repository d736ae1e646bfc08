# SPDX-License-Identifier: GPL-3.0-or-later
#
# Customers with known truth as mi-ltv rfm writes them, in continuous time: -v model=bg-nbd or pareto-nbd, -v count=N,
# -v seed=N. Parameters are those of CDNOW, watched for 27 to 39 weeks, with a holdout of 39; spend is Gamma-Gamma.

function normal() { return sqrt(-2 * log(1 - rand())) * cos(6.283185307179586 * rand()) }

# Marsaglia, Tsang (2000)
function gamma(shape,    d, c, x, v) {
    if (shape < 1) return gamma(shape + 1) * (1 - rand()) ^ (1 / shape)
    d = shape - 1 / 3
    c = 1 / sqrt(9 * d)
    for (;;) {
        do { x = normal(); v = 1 + c * x } while (v <= 0)
        v = v * v * v
        if (log(1 - rand()) < 0.5 * x * x + d - d * v + d * log(v)) return d * v
    }
}

function exponential() { return -log(1 - rand()) }

BEGIN {
    srand(seed)
    print "customer_id,frequency,recency,T,monetary_value,holdout_frequency,holdout_value,holdout_T"
    for (i = 0; i < count; i++) {
        T = 27 + 12 * rand(); end = T + 39; nu = gamma(3.744225) / 15.443521
        x = tx = sum = later = value = 0
        if (model == "bg-nbd") {
            rate = gamma(0.242595) / 4.413603; g = gamma(0.792922); leave = g / (g + gamma(2.425906)); death = 1e99
        } else {
            rate = gamma(0.553277) / 10.577683; leave = 0; death = exponential() / (gamma(0.60624) / 11.668737)
        }
        if (rate > 1e-12)
            for (t = exponential() / rate; t < end && t < death; t += exponential() / rate) {
                spend = gamma(6.249572) / nu
                if (t < T) { x++; tx = t; sum += spend } else { later++; value += spend }
                if (leave && rand() < leave) break
            }
        printf "%d,%d,%.12g,%.12g,%.2f,%d,%.2f,39\n", i, x, tx, T, x ? sum / x : 0, later, value
    }
}
