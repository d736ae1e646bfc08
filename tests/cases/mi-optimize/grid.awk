# users, revenue, costs of the three campaigns; ROI and 1/CAC in proportion below the floor of a tenth of today's budget
function users(i, s) {
    if (i == 1) return 40 * s / (100 + s)
    if (i == 2) return 60 * s ^ 3 / (200 ^ 3 + s ^ 3)
    return 30 * (1 - 2 ^ (-s / 80))
}
function weighted(i, s,   at, part, u) {
    at = s < floor[i] ? floor[i] : s
    part = s < floor[i] ? s / floor[i] : 1
    u = users(i, at)
    return part * (.5 * (u * ltv[i] / (rate[i] * at + fixed[i]) - 1) * 100 + .2 * 100 * u / (rate[i] * at + fixed[i])) + .3 * users(i, s) * ltv[i] / 10000
}
function value(x, y, z,   s, i, u, revenue, costs, w) {
    s[1] = x; s[2] = y; s[3] = z
    u = revenue = costs = w = 0
    for (i = 1; i <= 3; i++) {
        u += users(i, s[i]); revenue += users(i, s[i]) * ltv[i]; costs += rate[i] * s[i] + fixed[i]; w += weighted(i, s[i])
    }
    if (objective == "profit") return revenue - costs
    if (objective == "weighted") return w
    if (objective == "revenue") return revenue
    if (objective == "users") return u
    if (objective == "roi") return (revenue / costs - 1) * 100
    return revenue / (x + y + z)
}
BEGIN {
    split("20 22 15", ltv, " "); split("1.05 1.2 1.05", rate, " "); split("5 0 10", fixed, " "); split("10 10 20", floor, " ")
    best = -1e9
    for (x = 0; x <= 400; x++)
        for (y = 0; x + y <= 400; y++)
            if ((v = value(x, y, 400 - x - y)) > best) { best = v; bx = x; by = y }
}
FILENAME == "out.csv" && FNR == 1 { for (i = 1; i <= NF; i++) if ($i == "recommended_budget") at = i; next }
FILENAME == "out.csv" { spend[++n] = $at; next }
/objective_value/ { split($0, word, /[:,] */); stated = word[2] }
END {
    found = value(spend[1], spend[2], spend[3])
    if (!(found >= best)) print "the grid has " best " at " bx " " by ", found " found
    if (!(found <= best + .001 * (best < 0 ? -best : best))) print "better than the grid can be: " found " " best
    if (!(stated / found > 1 - 1e-9 && stated / found < 1 + 1e-9)) print "stated " stated " is not " found
    for (i = 1; i <= 3; i++) if (spend[i] - (i == 1 ? bx : i == 2 ? by : 400 - bx - by) > 1 || spend[i] - (i == 1 ? bx : i == 2 ? by : 400 - bx - by) < -1) print "campaign " i ": " spend[i]
    print "checked " objective
}
