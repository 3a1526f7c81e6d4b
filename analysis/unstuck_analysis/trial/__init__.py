"""Virtual trials: patients are rated, miss doses, and leave, as in trials of people.

    file.py      a trial file: arms, design, raters, leaving, adherence, endpoint
    ratings.py   from the circuit's state to whole points of a scale
    conduct.py   one patient under one arm, with every decision that is made on the way
    dataset.py   who was screened and rated, from the stored courses
    analysis.py  one trial of these patients and its analyses: mixed model, last rating carried forward, ...
    tables.py    tables in the shape of CDISC ADaM, a long table, a table for rpact
    report.py    figures and the report
    run.py       `Trial`: read and run
    power.py     power by sample size of one or several trials

`unstuck.Trial` is the way in from Python.
"""
