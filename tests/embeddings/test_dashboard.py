"""Promises of the dashboard: right figures, a constant number of queries, roles, and a history of every change."""

import importlib
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from catalog.models import Product
from embeddings import bell, census, charts, coverage, dashboard, indexes, runs, samples, status, upkeep
from embeddings.models import BacklogSample, EmbeddingModel, EmbeddingRun, ProductEmbedding
from embeddings.querysets import Status

pytestmark = pytest.mark.django_db
PAGE = "/admin/embeddings/dashboard/"
FIGURES = f"{PAGE}figures/"


@pytest.fixture
def model() -> EmbeddingModel:
    return EmbeddingModel.objects.active()


@pytest.fixture
def second(model: EmbeddingModel) -> EmbeddingModel:
    """Another model that fills up; its files do not matter here."""
    return EmbeddingModel.objects.create(name="another", dimensions=8, state=EmbeddingModel.State.BUILDING)


@pytest.fixture
def login(client: Client) -> Any:
    """Log in as a member of a group, or as staff without any."""

    def as_role(role: str = "") -> Client:
        user = User.objects.create_user(f"a {role}", password="x", is_staff=True)
        if role:
            user.groups.add(Group.objects.get(name=role))
        client.force_login(user)
        return client

    return as_role


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


def fail(message: str = "ValueError: odd", **rows: Any) -> None:
    ProductEmbedding.objects.filter(**rows).update(
        stored_digest=None, next_attempt_at=None, attempts=5, last_error=message
    )


def text(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


# --- Figures


def test_the_census_agrees_with_the_status_of_every_row(
    make_product: Any, make_category: Any, embed: Any, model: EmbeddingModel, second: EmbeddingModel
) -> None:
    garden, rakes = make_category("Garden"), make_category("Garden", "Rakes")
    for number in range(12):
        make_product(f"Rake {number}", category=(garden, rakes, None)[number % 3])
    later = timezone.now() + timedelta(hours=1)
    of_model = list(ProductEmbedding.objects.filter(model=model).order_by("pk").values_list("pk", flat=True))
    embedded: dict[str, Any] = {"vector": [0.1] * 384, "stored_digest": "an earlier text"}
    changed: list[dict[str, Any]] = [
        {"next_attempt_at": None},
        {"lease_until": later},
        embedded,
        {"is_active": False},
        {**embedded, "next_attempt_at": None},
        {**embedded, "is_active": False},
    ]
    for pk, changes in zip(of_model[2:8], changed, strict=True):
        ProductEmbedding.objects.filter(pk=pk).update(**changes)
    rows = ProductEmbedding.objects.filter(pk__in=of_model[8:])
    for row in rows:
        ProductEmbedding.objects.filter(pk=row.pk).update(vector=[0.1] * 384, stored_digest=row.wanted_digest)

    found = census.take()
    for one in (model, second):
        assert found.of(one.pk) == status.counts(one)
    assert found.of(model.pk) == {
        "ready": 4,
        "stale": 1,
        "pending": 2,
        "processing": 1,
        "failed": 2,
        "inactive": 2,
    }
    sums = {
        slug: sum(counts.values()) for _, slug, counts in census.by_top_category(found.by_category[model.pk])
    }
    assert sums == {"garden": 8, None: 4}
    assert found.waiting_since[model.pk] == min(row.wanted_at for row in ProductEmbedding.objects.all())
    assert found.of(999) == census.no_products()


def test_coverage_is_a_hundred_only_when_all_are_ready() -> None:
    counts = census.no_products() | {"ready": 99_999, "failed": 1, "inactive": 5}
    assert census.coverage(counts) == 99.9
    assert census.coverage(counts | {"failed": 0}) == 100
    assert census.coverage(census.no_products()) == 100


def test_the_census_is_counted_in_indexes(make_product: Any, embed: Any) -> None:
    """At any size: the table itself is not read."""
    for _ in range(30):
        make_product()
    embed()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE embeddings_productembedding")
    with CaptureQueriesContext(connection) as queries:
        census.take()
    (query,) = [query["sql"] for query in queries if "UNION" in query["sql"]]
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {query}")
        plan = "\n".join(line for (line,) in cursor.fetchall())
    assert "Seq Scan" not in plan
    assert "embedding_queue" in plan


def test_the_page_shows_what_there_is(
    boss: Client, make_product: Any, make_category: Any, embed: Any, model: EmbeddingModel
) -> None:
    make_product("Rake", category=make_category("Garden"))
    make_product("Odd")
    embed()
    fail("ValueError: <b>odd</b>", product__name="Odd")
    samples.sample()
    page = text(boss.get(PAGE))
    assert "ValueError: &lt;b&gt;odd&lt;/b&gt;" in page
    assert "50.0 % of 1" not in page
    assert "100.0 % of 1" in page
    assert "Index valid" in page
    assert "No worker is running" in page
    assert "all-MiniLM-L6-v2 works" in page
    assert 'href="/admin/embeddings/dashboard/"' in text(boss.get("/admin/"))
    assert 'href="/admin/embeddings/dashboard/"' in text(boss.get("/admin/embeddings/embeddingmodel/"))
    assert 'href="/admin/embeddings/dashboard/"' in text(boss.get("/admin/embeddings/embeddingrun/"))
    figures = boss.get(FIGURES)
    assert "no-store" in figures["Cache-Control"]
    assert "<html" not in figures.content.decode()


def test_categories_are_shown_of_each_live_model(
    boss: Client, make_product: Any, make_category: Any, model: EmbeddingModel, second: EmbeddingModel
) -> None:
    make_product("Rake", category=make_category("Garden"))
    fail(model=second)
    page = text(boss.get(FIGURES))
    assert f'embedding_model={model.pk}" aria-current="true"' in page
    assert "embedding=failed" not in page.split("dash-categories-title")[1]
    page = text(boss.get(FIGURES, {"embedding_model": second.pk}))
    assert f'embedding_model={second.pk}" aria-current="true"' in page
    assert f"?category=garden&amp;embedding=failed&amp;embedding_model={second.pk}" in page
    for nonsense in ("999", "x", "9" * 40):
        assert f'embedding_model={model.pk}" aria-current="true"' in text(
            boss.get(PAGE, {"embedding_model": nonsense})
        )


def test_the_page_of_an_empty_shop(boss: Client) -> None:
    page = text(boss.get(PAGE))
    assert "There are no products yet" in page
    assert "No worker has noted figures" in page
    assert "There has been no backfill yet" in page


def test_without_an_active_model_the_page_says_so(boss: Client, model: EmbeddingModel) -> None:
    EmbeddingModel.objects.update(state=EmbeddingModel.State.BUILDING)
    page = text(boss.get(PAGE))
    assert "No embedding model is active" in page
    assert "Activate…" in page


def test_redis_away_is_said_and_no_error(boss: Client, settings: Any) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:9/0"
    assert "Redis is away" in text(boss.get(PAGE))


def test_a_model_that_workers_cannot_use_is_said(
    boss: Client, model: EmbeddingModel, make_product: Any
) -> None:
    EmbeddingModel.objects.update(name="/no/such/folder")
    samples.sample()
    assert "/no/such/folder does not work" in text(boss.get(PAGE))
    EmbeddingModel.objects.update(name="all-MiniLM-L6-v2")
    samples.sample()  # the same minute
    assert "all-MiniLM-L6-v2 works" in text(boss.get(PAGE))
    assert BacklogSample.objects.count() == 1


@pytest.mark.parametrize("address", [PAGE, FIGURES, f"{PAGE}?span=7d", "/admin/embeddings/embeddingmodel/"])
def test_the_page_takes_as_many_queries_for_much_as_for_little(
    address: str,
    boss: Client,
    model: EmbeddingModel,
    make_product: Any,
    make_category: Any,
    embed: Any,
) -> None:
    def fill(number: int) -> None:
        make_product(category=make_category(f"Root {number}"))
        make_product(category=make_category(f"Root {number}", f"Below {number}"))
        fail(f"Error {number}", product=make_product())
        EmbeddingModel.objects.create(name=f"model {number}", dimensions=8)
        EmbeddingRun.objects.create(model=model, total=5, via_queue=True)
        at = timezone.now() - timedelta(minutes=number)
        BacklogSample.objects.create(
            model=model, minute=at.replace(second=0), waiting=number, failed=0, embedded=0
        )

    fill(1)
    boss.get(address)
    with CaptureQueriesContext(connection) as few:
        boss.get(address)
    for number in range(2, 20):
        fill(number)
    with CaptureQueriesContext(connection) as many:
        boss.get(address)
    assert len(many) == len(few) <= 25


# --- The past


def test_samples_are_kept_once_a_minute_and_for_some_days(
    model: EmbeddingModel, make_product: Any, embed: Any, settings: Any
) -> None:
    settings.EMBEDDING_SAMPLE_DAYS = 2
    for days in (1, 3):
        BacklogSample.objects.create(
            model=model, minute=timezone.now() - timedelta(days=days), waiting=1, failed=0, embedded=0
        )
    make_product()
    make_product()
    fail(product=make_product())
    samples.sample()
    newest = BacklogSample.objects.latest("minute")
    assert (newest.waiting, newest.failed, newest.embedded, newest.problem) == (2, 1, 0, "")
    assert newest.oldest_s is not None
    embed()
    samples.sample()
    assert BacklogSample.objects.count() == 2
    newest.refresh_from_db()
    assert (newest.waiting, newest.failed, newest.embedded, newest.oldest_s) == (0, 1, 2, None)


def test_history_takes_the_highest_of_each_step(model: EmbeddingModel) -> None:
    start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    for minute, waiting, oldest in ((0, 5, 1.0), (3, 9, None), (6, 2, 7.0)):
        BacklogSample.objects.create(
            model=model,
            minute=start + timedelta(minutes=minute),
            waiting=waiting,
            failed=0,
            oldest_s=oldest,
            embedded=10,
        )
    points = samples.history(model, timedelta(hours=6), timedelta(minutes=5))
    assert [(point.waiting, point.oldest_s, point.embedded) for point in points] == [(9, 1, 20), (2, 7, 10)]
    assert points[0].at == start


def test_a_chart_has_gaps_where_nothing_was_seen() -> None:
    start = datetime(2026, 5, 1, 10, 7, tzinfo=UTC)
    step = timedelta(minutes=5)
    points = [(start + number * step, float(number * 10)) for number in (0, 1, 2, 6, 7)]
    chart = charts.line_chart(points, start, start + timedelta(hours=1), step, str)
    assert chart.path.count("M") == 2
    assert [tick.label for tick in chart.y_ticks] == ["0.0", "50.0", "100.0"]
    assert [tick.label for tick in chart.x_ticks] == ["10:10", "10:20", "10:30", "10:40", "10:50", "11:00"]
    assert charts.line_chart([], start, start + timedelta(hours=1), step, str).path == ""
    assert len(charts.line_chart(points[:1], start, start + timedelta(days=7), step, str).x_ticks) <= 5


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 4), (4, 4), (5, 5), (11, 20), (21, 25), (99, 100), (100, 100), (101, 200)]
)
def test_axes_end_at_round_numbers(highest: float, top: float) -> None:
    assert charts.nice_top(highest) == top


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (1.25, "1.2 s"),
        (45, "45 s"),
        (89.9, "90 s"),
        (600, "10 min"),
        (7200, "2 h"),
        (12_000, "3 h 20 min"),
        (191_000, "2 d 5 h"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert dashboard.duration(seconds) == words


# --- What staff do


def test_failures_are_retried_by_their_message(
    boss: Client, model: EmbeddingModel, make_product: Any
) -> None:
    one, other = make_product(), make_product()
    fail("ValueError: odd\nin two lines", product=one)
    fail("Another", product=other)
    data = {"failure": f"{model.pk}:ValueError: odd\r\nin two lines"}  # as a browser sends it
    assert "1 product will be tried again" in text(boss.post(f"{PAGE}retry/", data, follow=True))
    assert [row.product_id for row in ProductEmbedding.objects.failed()] == [other.pk]
    assert "Retried 1 products" in LogEntry.objects.get().change_message
    assert "Retried" in text(boss.get(f"/admin/embeddings/embeddingmodel/{model.pk}/history/"))
    boss.post(f"{PAGE}retry/", {"failure": f"{model.pk}:"})
    assert not ProductEmbedding.objects.failed().exists()


def test_many_failures_are_retried_after_a_question(
    boss: Client, model: EmbeddingModel, make_product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embeddings.dashboard_admin.RETRY_UNASKED", 1)
    make_product()
    make_product()
    fail('It "is"\nodd')
    data = {"failure": f'{model.pk}:It "is"\nodd'}
    page = text(boss.post(f"{PAGE}retry/", data))
    assert "Try 2 products again?" in page
    assert "It &quot;is&quot; odd" in page
    assert ProductEmbedding.objects.failed().count() == 2
    boss.post(f"{PAGE}retry/", data | {"confirmed": "yes"})
    assert not ProductEmbedding.objects.failed().exists()


@pytest.mark.parametrize("failure", ["", "x:y", "99:y", "²:y", f"{'9' * 30}:y"])
def test_a_retry_of_nothing_is_not_found(failure: str, boss: Client) -> None:
    assert boss.post(f"{PAGE}retry/", {"failure": failure}).status_code == 404


def test_a_model_with_obstacles_is_not_activated(
    boss: Client, model: EmbeddingModel, second: EmbeddingModel, make_product: Any
) -> None:
    make_product()
    ProductEmbedding.objects.update(wanted_at=timezone.now() - timedelta(minutes=1))
    page = text(boss.post(f"{PAGE}models/{second.pk}/activate/"))
    assert "cannot be activated yet" in page
    assert "1 pending" in page
    assert "Yes, activate it" not in page
    page = text(boss.post(f"{PAGE}models/{second.pk}/activate/", {"confirmed": "yes"}, follow=True))
    assert "cannot be activated" in page
    assert EmbeddingModel.objects.active() == model
    assert not LogEntry.objects.exists()


def test_a_model_is_retired_and_brought_back(
    boss: Client, model: EmbeddingModel, second: EmbeddingModel
) -> None:
    address = f"{PAGE}models/{second.pk}"
    assert "no longer kept up to date" in text(boss.post(f"{address}/retire/"))
    second.refresh_from_db()
    assert second.is_live
    boss.post(f"{address}/retire/", {"confirmed": "yes"})
    second.refresh_from_db()
    assert not second.is_live
    assert "Build again" in text(boss.get(PAGE))
    boss.post(f"{address}/revive/")
    second.refresh_from_db()
    assert second.state == EmbeddingModel.State.BUILDING
    refused = boss.post(f"{PAGE}models/{model.pk}/retire/", {"confirmed": "yes"}, follow=True)
    assert "is the active model" in text(refused)
    assert [entry.change_message for entry in LogEntry.objects.order_by("pk")] == [
        "Retired.",
        "Brought back from retirement.",
    ]


def test_reconcile_has_the_workers_compare_everything(boss: Client, model: EmbeddingModel) -> None:
    EmbeddingModel.objects.update(rows_checked_at=timezone.now())
    assert "The workers compare every product" in text(boss.post(f"{PAGE}reconcile/", follow=True))
    model.refresh_from_db()
    assert model.rows_checked_at is None
    assert bell.rope(bell.settings.REDIS_URL).count == 1
    assert LogEntry.objects.get().change_message.startswith("Asked the workers to compare")


def test_a_retired_model_is_neither_filled_nor_indexed(boss: Client, second: EmbeddingModel) -> None:
    EmbeddingModel.objects.filter(pk=second.pk).update(state=EmbeddingModel.State.RETIRED)
    for address, data in (
        (f"{PAGE}backfill/", {"model": second.pk}),
        (f"{PAGE}models/{second.pk}/rebuild-index/", {}),
    ):
        assert "is retired" in text(boss.post(address, data, follow=True))
    second.refresh_from_db()
    assert second.index_rebuild_wanted_at is None


class TestCommitted:
    """What waits for other transactions, or builds indexes."""

    pytestmark = pytest.mark.django_db(transaction=True)

    def test_a_backfill_is_started_followed_and_cancelled(
        self, boss: Client, model: EmbeddingModel, make_product: Any, make_category: Any, embed: Any
    ) -> None:
        make_product(category=make_category("Garden", "Rakes"))
        make_product()
        data = {"model": model.pk, "category": "garden"}
        page = text(boss.post(f"{PAGE}backfill/", data, follow=True))
        assert "the workers embed 1 product in Garden" in page
        run = EmbeddingRun.objects.get()
        assert (run.total, run.category_path, run.via_queue, str(run.user)) == (1, "garden", True, "boss")
        assert f"Run {run.pk}" in text(boss.get("/admin/embeddings/embeddingrun/"))
        assert status.report()["runs"][0]["state"] == "running"
        assert "are marked as failed" in text(boss.post(f"{PAGE}runs/{run.pk}/cancel/"))
        run.refresh_from_db()
        assert run.finished_at is None
        boss.post(f"{PAGE}runs/{run.pk}/cancel/", {"confirmed": "yes"})
        run.refresh_from_db()
        assert run.get_state() == EmbeddingRun.State.CANCELLED
        again = boss.post(f"{PAGE}runs/{run.pk}/cancel/", {"confirmed": "yes"}, follow=True)
        assert "has ended already" in text(again)
        assert "Cancelled." in text(boss.get(f"/admin/embeddings/embeddingrun/{run.pk}/history/"))
        assert "embed 2 products." in text(boss.post(f"{PAGE}backfill/", {"model": model.pk}, follow=True))
        again = boss.post(f"{PAGE}backfill/", {"model": model.pk}, follow=True)
        assert "is going on already" in text(again)
        embed()
        runs.note_queue_runs()
        assert "Nothing to do" in text(boss.post(f"{PAGE}backfill/", {"model": model.pk}, follow=True))
        assert not EmbeddingRun.objects.filter(total=0).exists()
        assert runs.latest()[0]["done"] == 2

    def test_a_worker_builds_the_index_that_was_asked_for(
        self, boss: Client, model: EmbeddingModel, make_product: Any, embed: Any
    ) -> None:
        make_product()
        embed()

        def made_from() -> int:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_relation_filenode(%s::regclass)", [indexes.index_name(model)])
                return cursor.fetchone()[0]

        before = made_from()
        boss.post(f"{PAGE}models/{model.pk}/rebuild-index/")
        assert "A new index was asked for" in text(boss.get(PAGE))
        upkeep.mend()
        assert made_from() != before
        model.refresh_from_db()
        assert model.index_rebuild_wanted_at is None
        assert indexes.state(model)["valid"]

    def test_a_full_model_is_activated(
        self, boss: Client, model: EmbeddingModel, second: EmbeddingModel, make_product: Any
    ) -> None:
        coverage.complete(second)
        indexes.build(second)
        try:
            assert "in one step" in text(boss.post(f"{PAGE}models/{second.pk}/activate/"))
            page = text(boss.post(f"{PAGE}models/{second.pk}/activate/", {"confirmed": "yes"}, follow=True))
            assert "Search uses another (8 d) now" in page
            assert EmbeddingModel.objects.active() == second
            assert "Activated, after" in LogEntry.objects.get().change_message
        finally:
            indexes.drop(second)


# --- Roles

ACTIONS = {
    "retry/": "Operator",
    "backfill/": "Operator",
    "reconcile/": "Operator",
    "runs/1/cancel/": "Operator",
    "models/1/activate/": "Operator",
    "models/1/retire/": "Operator",
    "models/1/remove/": "Operator",
    "models/dismiss/1/": "Operator",
    "models/1/revive/": "Operator",
    "models/1/rebuild-index/": "Operator",
}


@pytest.mark.parametrize("role", ["", "Viewer", "Merchandiser"])
@pytest.mark.parametrize("action", ACTIONS)
def test_only_operators_work_on_the_pipeline(action: str, role: str, login: Any) -> None:
    assert login(role).post(PAGE + action, {"confirmed": "yes"}).status_code == 403


@pytest.mark.parametrize("action", ACTIONS)
def test_actions_are_posts_of_staff(action: str, login: Any, client: Client) -> None:
    assert client.post(PAGE + action).status_code == 302  # to the login
    operator = login("Operator")
    assert operator.get(PAGE + action).status_code == 405
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())
    assert strict.post(PAGE + action).status_code == 403


@pytest.mark.parametrize(
    ("role", "seen", "unseen"),
    [
        (
            "Viewer",
            [],
            [
                "Try again",
                "Start backfill",
                "Reconcile now",
                "Rebuild index",
                "Retire…",
                "Cancel…",
                "Add a model…",
            ],
        ),
        (
            "Merchandiser",
            [],
            [
                "Try again",
                "Start backfill",
                "Reconcile now",
                "Rebuild index",
                "Retire…",
                "Cancel…",
                "Add a model…",
            ],
        ),
        (
            "Operator",
            [
                "Try again",
                "Start backfill",
                "Reconcile now",
                "Rebuild index",
                "Retire…",
                "Cancel…",
                "Add a model…",
            ],
            [],
        ),
    ],
)
def test_roles_see_what_they_may_do(
    role: str,
    seen: list[str],
    unseen: list[str],
    login: Any,
    make_product: Any,
    model: EmbeddingModel,
    second: EmbeddingModel,
) -> None:
    make_product()
    fail()
    EmbeddingRun.objects.create(model=model, total=5, via_queue=True)
    page = text(login(role).get(PAGE))
    assert [words for words in seen if words not in page] == []
    assert [words for words in unseen if words in page] == []
    assert "embedding=failed" in page


def test_staff_without_a_role_do_not_see_the_dashboard(login: Any) -> None:
    client = login()
    assert client.get(PAGE).status_code == 403
    assert client.get(FIGURES).status_code == 403
    assert PAGE not in client.get("/admin/").content.decode()


def test_merchandisers_edit_products_and_viewers_do_not(login: Any, make_product: Any) -> None:
    product = make_product()
    change = f"/admin/catalog/product/{product.pk}/change/"
    assert 'name="_save"' in text(login("Merchandiser").get(change))
    for role in ("Viewer", "Operator"):
        client = login(role)
        assert 'name="_save"' not in text(client.get(change))
        assert client.post(change, {"name": "Mine"}).status_code == 403
        assert client.get("/admin/catalog/product/add/").status_code == 403


@pytest.fixture
def roles_migration() -> Any:
    return importlib.import_module("embeddings.migrations.0006_roles")


def test_roles_are_made_once_and_kept_as_staff_changed_them(roles_migration: Any) -> None:
    assert set(Group.objects.values_list("name", flat=True)) == set(roles_migration.ROLES)
    viewer = Group.objects.get(name="Viewer")
    viewer.permissions.clear()
    Group.objects.get(name="Operator").delete()
    connection.check_constraints()
    state = MigrationLoader(connection).project_state(("embeddings", "0006_roles"))
    roles_migration.make_roles(state.apps, None)
    assert viewer.permissions.count() == 0
    assert Group.objects.get(name="Operator").permissions.count() == len(roles_migration.ROLES["Operator"])


# --- Products


def test_the_list_shows_the_status_under_a_chosen_model(
    boss: Client, make_product: Any, embed: Any, second: EmbeddingModel
) -> None:
    product = make_product()
    EmbeddingModel.objects.filter(pk=second.pk).update(state=EmbeddingModel.State.RETIRED)
    embed()
    EmbeddingModel.objects.filter(pk=second.pk).update(state=EmbeddingModel.State.BUILDING)
    address = "/admin/catalog/product/"
    assert "embedding-badge--ready" in text(boss.get(address))
    under = {"embedding_model": second.pk}
    assert "embedding-badge--pending" in text(boss.get(address, under))
    for status_, number in (("pending", 1), ("ready", 0)):
        listed = boss.get(address, under | {"embedding": status_}).context["cl"]
        assert (len(listed.result_list), listed.result_count) == (number, number)
    badges = boss.get(f"{address}embedding-status/", under | {"ids": product.pk}).json()
    assert "Pending" in badges[str(product.pk)]
    for nonsense in ("x", "9999", "²"):
        assert boss.get(address, {"embedding_model": nonsense}).status_code == 200


def test_the_list_shows_the_products_of_one_error(boss: Client, make_product: Any) -> None:
    one, other = make_product(), make_product()
    fail("odd & even", product=one)
    fail("other", product=other)
    listed = boss.get("/admin/catalog/product/", {"embedding": "failed", "embedding_error": "odd & even"})
    assert [product.pk for product in listed.context["cl"].result_list] == [one.pk]
    assert "embedding_error=odd%20%26%20even" in text(boss.get(PAGE))


@pytest.mark.parametrize("wanted", [status.value for status in Status])
def test_the_list_of_a_common_status_is_walked_through(
    wanted: str, boss: Client, make_product: Any, embed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same products and number, whether they are many or few."""
    address, query = "/admin/catalog/product/", {"embedding": wanted, "is_active__exact": "1"}
    for _ in range(3):
        make_product()
    embed()
    make_product()
    fail(product=make_product())
    few = boss.get(address, query).context["cl"]
    monkeypatch.setattr("embeddings.admin_filters.FEW", 0)
    many = boss.get(address, query).context["cl"]
    assert [p.pk for p in many.result_list] == [p.pk for p in few.result_list]
    assert many.result_count == few.result_count == len(few.result_list)


def test_the_preview_is_the_text_that_will_be_embedded(
    boss: Client, make_category: Any, make_product: Any, embed: Any
) -> None:
    category = make_category("Tools", "Drills")
    product = make_product()
    fields = {
        "name": "Hammer drill",
        "brand": "Bormund",
        "category": category.pk,
        "short_description": "For <b>walls</b>.",
        "description": "Line one.\r\nLine two.",
        "attributes": '{"colour": "red"}',
    }
    embed()
    answer = boss.post("/admin/catalog/product/embedding-preview/", fields).json()
    Product.objects.filter(pk=product.pk).update(
        **{
            **fields,
            "category": category,
            "description": "Line one.\nLine two.",
            "attributes": {"colour": "red"},
        }
    )
    page = boss.get(f"/admin/catalog/product/{product.pk}/change/").content.decode()
    assert answer["text"] == (
        "Hammer drill. Bormund. Tools > Drills. For <b>walls</b>. Line one. Line two. red"
    )
    assert "For &lt;b&gt;walls&lt;/b&gt;" in answer["html"]
    assert answer["html"].split("<pre>")[1].split("</pre>")[0] in page
    assert "of 256 tokens" in answer["html"]


@pytest.mark.parametrize("attributes", ["{", "[]", "null", "3", "[" * 100_000])
def test_the_preview_bears_what_is_half_typed(attributes: str, boss: Client) -> None:
    fields = {"name": "Rake", "attributes": attributes, "category": "²"}
    answer = boss.post("/admin/catalog/product/embedding-preview/", fields).json()
    assert answer["text"] == "Rake"
    assert "not valid JSON yet" in answer["html"]
    assert boss.post("/admin/catalog/product/embedding-preview/").json()["text"] == ""


def test_the_preview_is_for_who_edits_products(login: Any, boss: Client) -> None:
    address = "/admin/catalog/product/embedding-preview/"
    assert boss.get(address).status_code == 405
    assert login("Viewer").post(address, {"name": "x"}).status_code == 403


def test_the_panel_tells_the_story_of_a_row(boss: Client, make_product: Any, embed: Any) -> None:
    product = make_product()
    address = f"/admin/catalog/product/{product.pk}/change/"
    assert "The next attempt is due." in text(boss.get(address))
    embed()
    page = text(boss.get(address))
    assert "Embedded." in page
    assert "next attempt" not in page
    Product.objects.filter(pk=product.pk).update(name="Another")
    assert "An earlier text was embedded" in text(boss.get(address))
    ProductEmbedding.objects.update(attempts=2, lease_until=timezone.now() + timedelta(minutes=1))
    assert "A worker is at it, attempt 2 of 5." in text(boss.get(address))
    ProductEmbedding.objects.update(attempts=5, lease_until=None, next_attempt_at=None, last_error="odd")
    page = text(boss.get(address))
    assert "Failed 5 of 5 times" in page
    assert "No further attempt by itself." in page


def test_pictures_stand_at_the_nearest_products(boss: Client, make_product: Any, embed: Any) -> None:
    drill = make_product("Hammer drill")
    other = make_product("Impact drill")
    embed()
    address = f"/admin/catalog/product/{drill.pk}/change/"
    assert "embedding-picture" not in text(boss.get(address))
    Product.objects.filter(pk=other.pk).update(image_url="https://pictures.example/drill.jpg")
    assert 'src="https://pictures.example/drill.jpg"' in text(boss.get(address))
