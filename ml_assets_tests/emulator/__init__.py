"""A strict stand-in for a Databricks workspace, on 127.0.0.1, for tests.

It serves the REST endpoints that this project uses, through the real databricks-sdk, and runs
submitted tasks as real processes in environments that hold what was submitted and nothing else.
What it does not know makes the test fail: it never skips and never pretends.

==================  ===========================================================================
``server.py``       ``Emulator``: start, stop, restart; what tests ask it and set on it
``gate.py``         what every request passes: record, fault, token, service
``faults.py``       a status, a delay, a lost response, a frozen server
``identity.py``     tokens, OAuth client credentials, the current user
``volumes.py``      Files API over a real folder
``unity.py``        catalogs, schemas, volumes, tables, models, grants
``compute.py``      clusters, cluster policies, instance pools
``sql.py``          warehouses, and four statements over Delta tables
``submission.py``   which job runs are accepted
``runs.py``         a job run and what the Jobs API shows of it
``jobs.py``         the Jobs API, and the life of a run from PENDING to TERMINATED
``processes.py``    the task's process: its environment variables, its log, its end
``pages.py``        what a browser shows of the runs
``environments.py`` the task's Python environment, built by uv or pip
==================  ===========================================================================
"""
