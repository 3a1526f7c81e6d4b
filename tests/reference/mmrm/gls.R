# The mixed model of a trial by nlme::gls (Debian: r-base-core, r-cran-nlme), for tests/analysis/trial.
# Rscript gls.R    reads long.csv, writes gls.json. R's package mmrm was not run.
library(nlme)
long <- read.csv("long.csv")
long <- long[long$visit > 0, ]
long$arm <- factor(long$arm, levels = c("placebo", "ssri"))
long$centred <- long$baseline - mean(long$baseline[long$visit == 1])
long$week <- factor(long$visit)
seen <- long[!is.na(long$value), ]
fit <- gls(change ~ week + week:centred + week:arm - 1, data = seen, method = "REML",
           correlation = corSymm(form = ~ visit | subject), weights = varIdent(form = ~ 1 | week))
table <- summary(fit)$tTable
row <- sprintf("week%d:armssri", max(long$visit))
cat(sprintf('{"difference": %.6f, "error": %.6f, "R": "%s", "nlme": "%s"}\n', table[row, "Value"], table[row, "Std.Error"],
            R.version.string, as.character(packageVersion("nlme"))), file = "gls.json")
print(table[row, ])
