"""Work is done by one job run, and Dagster is told while it runs."""

from __future__ import annotations

import json
from pathlib import Path

import dagster as dg
import pytest
from dagster_databricks.pipes import PipesUnityCatalogVolumesMessageReader
from dagster_pipes import decode_param

from ml_assets.orchestration.databricks.compute import Compute, NewCluster, Serverless
from ml_assets.spec.errors import SpecError
from ml_assets_tests.emulator.fixtures import CLUSTER, VOLUME
from ml_assets_tests.orchestration.databricks.bench import (
    StandIn,
    failure_of,
    make_definitions,
    make_resource,
    work_of,
)


def only_run(bench):
    [run] = bench.emulator.jobs.runs.values()
    return run


def arguments_of(run):
    """The parameters of the task, by option."""
    given = run.task["python_wheel_task"]["parameters"]
    return dict(zip(given[::2], given[1::2], strict=True))


def test_one_job_run_does_the_work(bench):
    result = bench.run()
    assert result.success
    assert bench.materialized == {"one", "two"}
    assert bench.worked == ["one", "two"]
    assert bench.job_runs == ["SUCCESS"]
    assert bench.sessions == [], "the folder is gone when the outcome is known"


def test_the_page_of_the_job_run_comes_before_anything_else(bench):
    result = bench.run()
    kinds = [e.event_type_value for e in result.all_events if e.is_step_event]
    assert kinds.index("ASSET_OBSERVATION") < kinds.index("ASSET_MATERIALIZATION")
    seen = [
        e.asset_observation_data.asset_observation for e in result.get_asset_observation_events()
    ]
    assert {o.asset_key.path[0] for o in seen} == {"one", "two"}
    page = f"{bench.emulator.host}/?o=0#job/1002/run/1000"
    assert {o.metadata["databricks_run_url"].value for o in seen} == {page}
    logged = [r.user_message for r in bench.instance.all_logs(result.run_id)]
    assert any(page in line for line in logged)


def test_reports_are_told_while_the_job_runs(bench):
    bench.behave("slow")
    result = bench.run()
    assert result.success
    told = [
        e.timestamp
        for e in bench.instance.all_logs(result.run_id)
        if e.dagster_event and e.dagster_event.event_type_value == "ASSET_MATERIALIZATION"
    ]
    assert told[0] + 0.4 < told[1] <= only_run(bench).ended / 1000 + 1


def test_the_run_can_be_found_by_the_dagster_run(bench):
    result = bench.run()
    run = only_run(bench)
    assert result.run_id in run.body["run_name"]
    assert run.body["run_name"].startswith("shop/spender: one, two (Dagster run ")
    assert len(run.body["idempotency_token"]) <= 64
    assert run.body["timeout_seconds"] == 4 * 3600
    assert run.body["queue"] == {"enabled": True}


def test_an_asset_that_is_not_made_is_no_error(bench):
    result = bench.run(assets=("one",))
    assert result.success
    assert bench.materialized == {"one"}


def test_every_launch_has_a_session_of_its_own(bench):
    """The same resource object, in one process, again and again."""
    resource = make_resource(bench.emulator, bench.folder)
    job = make_definitions(resource).resolve_job_def("all")
    for _ in range(2):
        result = job.execute_in_process(instance=bench.instance, raise_on_error=False)
        assert len(result.asset_materializations_for_node("everything")) == 2
    tokens = {run.body["idempotency_token"] for run in bench.emulator.jobs.runs.values()}
    assert len(tokens) == 2
    assert bench.worked == ["one", "two"] * 2


def test_what_the_job_prints_is_not_sent_as_messages(bench):
    result = bench.run(message_interval_seconds=0.25)
    arguments = arguments_of(only_run(bench))
    asked = decode_param(arguments["--dagster-pipes-messages"])
    theirs = PipesUnityCatalogVolumesMessageReader(client=bench.emulator.client(), volume_path="/")
    assert set(asked) == {"path", theirs_key(theirs)}
    assert asked[theirs_key(theirs)] is False
    logged = [r.user_message for r in bench.instance.all_logs(result.run_id)]
    assert "arguments: ['--message-seconds', '0.25']" in logged, "logs through Pipes arrive"


def theirs_key(reader):
    """How dagster-databricks names the switch."""
    from dagster_pipes import PipesBlobStoreMessageWriter

    assert reader.include_stdio_in_messages, "the default that costs five seconds a run"
    return PipesBlobStoreMessageWriter.INCLUDE_STDIO_IN_MESSAGES_KEY


class TestSecrets:
    def test_no_secret_is_stored_anywhere(self, bench, monkeypatch):
        monkeypatch.setenv("OTHER_TOKEN", bench.emulator.token)
        monkeypatch.delenv("DATABRICKS_TOKEN")
        bench.behave("raise")
        kept = keep_what_is_written(bench.emulator, monkeypatch)
        result = bench.run(token=dg.EnvVar("OTHER_TOKEN"))
        token = bench.emulator.token
        assert "the column is missing" in failure_of(result)
        assert kept
        assert token not in json.dumps([run.body for run in bench.emulator.jobs.runs.values()])
        assert not any(token.encode() in content for content in kept.values())
        events = [repr(event) for event in bench.instance.all_logs(result.run_id)]
        assert not any(token in event for event in events)
        resource = make_resource(bench.emulator, bench.folder, token=dg.EnvVar("OTHER_TOKEN"))
        job = make_definitions(resource).resolve_job_def("all")
        assert token not in dg.serialize_value(job.get_job_snapshot())
        assert "OTHER_TOKEN" in dg.serialize_value(job.get_job_snapshot())

    def test_a_token_in_the_text_of_an_error_is_not_shown(self, bench):
        bench.behave("leak")
        text = failure_of(bench.run())
        assert "ValueError: refused: Bearer [redacted]" in text
        stored = [
            repr(event)
            for event in bench.instance.all_logs(next(iter(bench.instance.get_runs())).run_id)
        ]
        assert "dapi0123456789abcdef" not in text + "".join(stored)

    @pytest.mark.parametrize("token", ["dapi0123", {"value": "dapi0123"}, None])
    def test_a_literal_token_is_refused(self, token):
        with pytest.raises(SpecError) as refused:
            StandIn(catalog="main", schema_name="x", token=token)
        assert "dapi0123" not in str(refused.value)
        assert "DATABRICKS_TOKEN" in str(refused.value)

    @pytest.mark.parametrize("where", ["everywhere", "serverless"])
    def test_an_index_with_a_password_is_refused(self, where):
        line = "--extra-index-url https://me:s3cret@example.com/simple"
        places = {"dependencies": [line]}
        if where == "serverless":
            places = {"compute": Compute(serverless=Serverless(dependencies=[line]))}
        with pytest.raises(SpecError) as refused:
            StandIn(catalog="main", schema_name="x", **places)
        assert "s3cret" not in str(refused.value)

    def test_a_variable_may_be_named_in_yaml_too(self):
        resource = StandIn(catalog="main", schema_name="x", token={"env": "MINE"})
        assert resource.token_variable == "MINE"


def keep_what_is_written(emulator, monkeypatch):
    """Everything that is written to the volume, also what is removed later."""
    kept = {}
    write = type(emulator.volumes)._write

    def remember(self, call):
        kept[call.params["path"]] = call.body
        return write(self, call)

    # The routes hold bound methods: look at what is stored when a file is removed instead.
    remove = Path.unlink

    def look(self, *args, **options):
        if self.is_file() and VOLUME.split(".")[-1] in self.parts:
            kept[str(self)] = self.read_bytes()
        return remove(self, *args, **options)

    monkeypatch.setattr(type(emulator.volumes), "_write", remember)
    monkeypatch.setattr(Path, "unlink", look)
    return kept


class TestCompute:
    def test_a_cluster_that_exists_gets_the_wheel_as_a_library(self, bench):
        result = bench.run(compute={"existing_cluster": {"cluster_id": CLUSTER}})
        task = only_run(bench).task
        assert task["existing_cluster_id"] == CLUSTER
        assert task["libraries"][0]["whl"].endswith("small_job-1.0-py3-none-any.whl")
        assert result.success or "ml_assets" in failure_of(result)

    def test_a_new_cluster_is_limited(self):
        cluster = NewCluster(
            spark_version="17.3.x-cpu-ml-scala2.13",
            node_type_id="i3.xlarge",
            policy_id="p1",
            autoscale={"max_workers": 4},
            custom_tags={"team": "ml"},
        )
        body = cluster.to_sdk("aws").as_dict()
        assert body == {
            "spark_version": "17.3.x-cpu-ml-scala2.13",
            "node_type_id": "i3.xlarge",
            "policy_id": "p1",
            "apply_policy_default_values": True,
            "autoscale": {"min_workers": 1, "max_workers": 4},
            "aws_attributes": {"availability": "SPOT_WITH_FALLBACK", "first_on_demand": 1},
            "custom_tags": {"team": "ml"},
            "data_security_mode": "SINGLE_USER",
        }

    def test_a_cluster_without_workers_is_one_machine(self):
        body = NewCluster(spark_version="x", instance_pool_id="pool").to_sdk("azure").as_dict()
        assert body["num_workers"] == 0
        assert body["spark_conf"]["spark.databricks.cluster.profile"] == "singleNode"
        assert body["custom_tags"] == {"ResourceClass": "SingleNode"}
        assert "azure_attributes" not in body, "a pool decides by itself"

    @pytest.mark.parametrize(
        ("cloud", "attributes"),
        [
            ("azure", {"availability": "SPOT_AZURE", "first_on_demand": 1}),
            ("gcp", {"availability": "PREEMPTIBLE_GCP"}),
            ("aws", {"availability": "SPOT", "first_on_demand": 1}),
        ],
    )
    def test_spot_is_said_in_the_words_of_each_cloud(self, cloud, attributes):
        cluster = NewCluster(spark_version="x", node_type_id="y", spot="spot")
        assert cluster.to_sdk(cloud).as_dict()[f"{cloud}_attributes"] == attributes

    @pytest.mark.parametrize(
        "machines",
        [{}, {"node_type_id": "x", "instance_pool_id": "y"}],
    )
    def test_a_cluster_has_one_kind_of_machine(self, machines):
        with pytest.raises(SpecError, match="exactly one of them"):
            NewCluster(spark_version="x", **machines)

    def test_only_one_compute(self):
        with pytest.raises(SpecError, match="existing_cluster and new_cluster"):
            Compute(
                existing_cluster={"cluster_id": "x"},
                new_cluster=NewCluster(spark_version="x", node_type_id="y"),
            )

    def test_serverless_brings_what_it_was_told_and_the_wheel(self, bench):
        serverless = Serverless(dependencies=["dagster-pipes>=1"], budget_policy_id="b1")
        bench.run(compute=Compute(serverless=serverless), dependencies=["pyyaml"])
        body = only_run(bench).body
        [environment] = body["environments"]
        wheel, *others = environment["spec"]["dependencies"]
        assert wheel.startswith(bench.emulator.volumes_root)
        assert others == ["dagster-pipes>=1", "pyyaml"]
        assert environment["spec"]["environment_version"] == "4"
        assert body["budget_policy_id"] == "b1"


def test_others_may_look_and_are_told(bench):
    bench.run(
        permissions=[{"principal": "ml", "level": "CAN_MANAGE_RUN"}],
        notify_on_failure=["ml@example.com"],
    )
    body = only_run(bench).body
    assert body["access_control_list"] == [
        {"group_name": "ml", "permission_level": "CAN_MANAGE_RUN"}
    ]
    assert body["email_notifications"] == {"on_failure": ["ml@example.com"]}


def test_every_field_says_what_it_is():
    silent = [name for name, field in StandIn.model_fields.items() if not field.description]
    assert silent == []


def test_the_digest_of_work_is_not_that_of_its_trace():
    one, two = work_of("run-1"), work_of("run-2")
    assert one.trace != two.trace
    assert {**one.to_json(), "trace": 0} == {**two.to_json(), "trace": 0}
