# SPDX-License-Identifier: GPL-3.0-or-later
#
# usage: Rscript forecast-peers.R SERIES.csv ORIGINS [METHODS]
#
# What R's forecast package says at rolling origins: one row a series, origin, method and day (step, predicted, lo, hi:
# 80 %), as mi-roas forecast --daily writes them. ORIGINS: days before the end of each series, by commas. METHODS: of
# ets, thetaf, stlf. The mean of the three is left to who reads this. CPU seconds of each method go to standard error.
suppressMessages(library(forecast))
arguments <- commandArgs(TRUE)
series <- read.csv(arguments[1], stringsAsFactors = FALSE)
origins <- as.integer(strsplit(arguments[2], ",")[[1]])
methods <- if (length(arguments) > 2) strsplit(arguments[3], ",")[[1]] else c("ets", "thetaf", "stlf")
used <- setNames(numeric(length(methods)), methods)
runs <- 0
cat("series_id,origin,method,step,predicted,lo,hi\n")
for (id in unique(series$series_id)) {
    one <- series[series$series_id == id, ]
    dates <- as.Date(one$date)
    days <- seq(min(dates), max(dates), by = 1)
    y <- one$value[match(days, dates)]
    for (origin in origins) {
        n <- length(y) - origin
        if (n < 56) next
        train <- ts(y[seq_len(n)], frequency = 7)
        if (anyNA(train)) train <- na.interp(train)
        runs <- runs + 1
        for (method in methods) {
            start <- proc.time()
            f <- tryCatch(switch(method, ets = forecast(ets(train), h = 90, level = 80),
                thetaf = thetaf(train, h = 90, level = 80), stlf = stlf(train, h = 90, level = 80)),
                error = function(e) NULL)
            used[method] <- used[method] + sum((proc.time() - start)[1:2])
            if (is.null(f)) next
            cat(sprintf("%s,%d,%s,%d,%.10g,%.10g,%.10g\n", id, origin, method, seq_len(90), f$mean, f$lower[, 1],
                f$upper[, 1]), sep = "")
        }
    }
}
for (method in methods)
    cat(sprintf("%s %.4f CPU s per series, forecast %s\n", method, used[method] / max(1, runs),
        packageVersion("forecast")), file = stderr())
