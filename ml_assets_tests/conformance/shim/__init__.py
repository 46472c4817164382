"""What Databricks has and this machine has not, so that its own feature client can run here.

The client is used as it comes from PyPI. Around it: Sail as the Spark engine, Delta folders as the
tables of Unity Catalog, answers to the statements that only Databricks understands, a stand-in for
``delta.tables``, and a local server for the routes that the client calls. Whatever is not known
here raises; nothing is passed over in silence.
"""
