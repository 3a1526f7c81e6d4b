"""The biology, written once: one mechanism a file, as small scalar functions with equation, units and source.

The compiled engine, the agents and the mean-field all call these functions. They know numbers only: no
region, no drug, no file. Rules named `*_change` return the rate of change of a slow variable per hour.
"""
