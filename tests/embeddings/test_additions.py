"""Promises of adding and removing models in the admin: a worker does it, and the page says how it went."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError
from django.test import Client
from django.utils import timezone

from embeddings import additions, indexes, locks, model_files, model_registry, upkeep
from embeddings.exceptions import ModelStateError
from embeddings.models import EmbeddingModel, ModelAddition, ProductEmbedding
from tests.embeddings.background import in_background

PAGE = "/admin/embeddings/dashboard/"
ADD = f"{PAGE}models/add/"


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss", password="x"))
    return client


@pytest.fixture
def operator(client: Client) -> Client:
    user = User.objects.create_user("operator", password="x", is_staff=True)
    # Tests that commit empty every table, the groups' too.
    names = ("view_productembedding", "change_embeddingmodel")
    user.user_permissions.set(Permission.objects.filter(codename__in=names))
    client.force_login(user)
    return client


def text(response: Any) -> str:
    assert response.status_code == 200
    return " ".join(response.content.decode().split())


def history() -> list[str]:
    entries = LogEntry.objects.order_by("pk")
    return [
        f"{entry.object_repr}: {entry.change_message or entry.get_action_flag_display()}" for entry in entries
    ]


@pytest.mark.django_db
@pytest.mark.parametrize("name", ["intfloat/e5-small-v2", "some-model", "v1.5/x_y"])
def test_operators_ask_for_models_of_the_hub(name: str, operator: Client) -> None:
    asked = operator.post(ADD, {"name": f" {name} ", "query_prompt": "query: "}, follow=True)
    assert f"A worker loads {name}" in text(asked)
    addition = ModelAddition.objects.get()
    assert (addition.name, addition.query_prompt, str(addition.user)) == (name, "query: ", "operator")
    assert "operator asked for it" in text(operator.get(PAGE))
    assert "is asked to add" in text(operator.post(ADD, {"name": name, "query_prompt": "query: "}))
    assert history() == [f"{name}: Asked for this model."]


@pytest.mark.django_db
@pytest.mark.parametrize(
    "name",
    ["/etc", "/no/such/model", "../x", "..", "embeddings", "catalog/management", "~/x", "a/b/c", "C:\\x"],
)
def test_only_superusers_name_folders(name: str, operator: Client) -> None:
    assert "Only superusers may name a folder" in text(operator.post(ADD, {"name": name}))
    assert not ModelAddition.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"name": "/no/such/model"}, "There is no model folder /no/such/model."),
        ({"name": ""}, "This field is required."),
        ({"name": "x\0y"}, "Null characters are not allowed."),
        ({"name": "x" * 301}, "at most 300 characters"),
        ({"name": model_files.PACKAGED_MODEL}, "is there already, as model 1 (active)."),
    ],
)
def test_what_cannot_be_added_is_said_at_once(data: dict[str, str], reason: str, boss: Client) -> None:
    assert reason in text(boss.post(ADD, data))
    assert not ModelAddition.objects.exists()
    assert not LogEntry.objects.exists()


@pytest.mark.django_db
def test_the_form_is_for_who_may_activate(operator: Client) -> None:
    assert "Add this model" in text(operator.get(ADD))
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get())
    assert strict.post(ADD, {"name": "x"}).status_code == 403
    User.objects.get().user_permissions.remove(Permission.objects.get(codename="change_embeddingmodel"))
    assert operator.get(ADD).status_code == operator.post(ADD, {"name": "x"}).status_code == 403
    assert not ModelAddition.objects.exists()


@pytest.mark.django_db
def test_one_asks_again_after_a_failure_and_not_twice_at_once(boss: Client) -> None:
    failed = ModelAddition.objects.create(name="odd/model", error="It is odd.")
    assert "It is odd." in text(boss.get(PAGE))
    additions.ask(ModelAddition(name="odd/model"))
    assert not ModelAddition.objects.filter(pk=failed.pk).exists()
    with pytest.raises(IntegrityError):
        additions.ask(ModelAddition(name="odd/model"))


@pytest.mark.django_db
def test_a_model_is_dismissed_unless_a_worker_is_at_it(boss: Client) -> None:
    now = timezone.now()
    failed = ModelAddition.objects.create(name="odd/model", begun_at=now, error="It is odd.")
    waiting = ModelAddition.objects.create(name="good/model")
    loading = ModelAddition.objects.create(name="large/model", begun_at=now)
    page = text(boss.get(PAGE))
    shown = [f"models/dismiss/{addition.pk}/" in page for addition in (failed, waiting, loading)]
    codes = [
        boss.post(f"{PAGE}models/dismiss/{addition.pk}/").status_code
        for addition in (failed, waiting, loading)
    ]
    assert (shown, codes) == ([True, True, False], [302, 302, 404])
    assert list(ModelAddition.objects.all()) == [loading]
    assert history() == ["odd/model: Deletion", "good/model: Deletion"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("own_indexes")
class TestWorker:
    """What becomes of it."""

    def test_a_worker_adds_what_was_asked_for(
        self, boss: Client, make_product: Any, tiny_path: str, tmp_path: Path
    ) -> None:
        make_product("Claw hammer")
        for name in (str(tmp_path), tiny_path):
            boss.post(ADD, {"name": name, "document_prompt": "passage: "})
        additions.work()
        upkeep.mend()
        model = EmbeddingModel.objects.get(name=tiny_path)
        assert (model.state, model.document_prompt) == ("building", "passage: ")
        assert ProductEmbedding.objects.filter(model=model).count() == 1
        assert indexes.state(model)["valid"]
        failed = ModelAddition.objects.get()
        assert "cannot be loaded" in failed.error
        assert "It could not be added" in text(boss.get(PAGE))
        assert history()[2:] == [f"{model}: Added: a worker has loaded it."]

    @pytest.mark.parametrize("user", [True, False])
    def test_a_folder_is_loaded_for_superusers_alone(self, user: bool, tiny_path: str) -> None:
        """Who is none any more when the worker comes to it, or who is gone, is not."""
        asking = User.objects.create_user("former", is_staff=True) if user else None
        ModelAddition.objects.create(name=tiny_path, user=asking)
        additions.work()
        assert ModelAddition.objects.get().error == model_registry.FOLDERS_REFUSED
        assert EmbeddingModel.objects.count() == 1

    def test_a_model_that_took_its_worker_down_is_not_tried_for_ever(
        self, tiny_path: str, session: Any
    ) -> None:
        boss = User.objects.create_superuser("boss")
        addition = ModelAddition.objects.create(name=tiny_path, user=boss, begun_at="2026-01-01T00:00Z")
        with session.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [locks.NAMESPACE, locks.ADDITIONS])
        additions.work()
        addition.refresh_from_db()
        assert addition.error == ""  # another worker is at it
        with session.cursor() as cursor:
            # PostgreSQL ends a closed connection, and its locks, in its own time.
            cursor.execute("SELECT pg_advisory_unlock_all()")
        additions.work()
        addition.refresh_from_db()
        assert addition.error == additions.INTERRUPTED

    def test_two_workers_add_a_model_once(self, tiny_path: str) -> None:
        boss = User.objects.create_superuser("boss")
        ModelAddition.objects.create(name=tiny_path, user=boss)
        other = in_background(additions.work)
        additions.work()
        other.join()
        assert not ModelAddition.objects.exists()
        assert EmbeddingModel.objects.filter(name=tiny_path).count() == 1

    def test_a_retired_model_is_removed_by_a_worker(
        self, operator: Client, make_product: Any, embed: Any, tiny_path: str
    ) -> None:
        make_product("Claw hammer")
        tiny = model_registry.add_model(tiny_path)
        embed()
        indexes.build(tiny)
        address = f"{PAGE}models/{tiny.pk}/remove/"
        for live in (tiny.pk, EmbeddingModel.objects.active().pk):
            refused = operator.post(f"{PAGE}models/{live}/remove/", {"confirmed": "yes"}, follow=True)
            assert "Only a retired model can be removed" in text(refused)
        model_registry.retire_model(tiny)
        assert "Remove…" in text(operator.get(PAGE))
        assert "its backfills and 1 vector." in text(operator.post(address))
        upkeep.mend()
        assert EmbeddingModel.objects.filter(pk=tiny.pk).exists()

        assert "with 1 vector" in text(operator.post(address, {"confirmed": "yes"}, follow=True))
        page = text(operator.get(PAGE))
        assert "Its removal was asked for" in page
        assert "Build again" not in page
        again = operator.post(address, {"confirmed": "yes"}, follow=True)
        assert "is being removed already" in text(again)
        revived = operator.post(f"{PAGE}models/{tiny.pk}/revive/", follow=True)
        assert "is being removed" in text(revived)
        with pytest.raises(ModelStateError):
            model_registry.build_model(tiny)
        assert history() == [f"{tiny}: Deletion"]

        upkeep.mend()
        assert not EmbeddingModel.objects.filter(pk=tiny.pk).exists()
        assert not indexes.state(tiny)["exists"]
        assert ProductEmbedding.objects.count() == 1

    def test_a_removal_waits_for_who_still_writes_the_rows(
        self, make_product: Any, tiny_path: str, session: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(upkeep, "_PATIENCE_S", 0.2)
        product = make_product()
        tiny = model_registry.add_model(tiny_path)
        session.set_autocommit(False)
        with session.cursor() as cursor:
            cursor.execute("UPDATE catalog_product SET name = 'Hoe' WHERE id = %s", [product.pk])
        model_registry.retire_model(tiny)
        model_registry.want_removal(tiny)
        upkeep.mend()
        assert EmbeddingModel.objects.filter(pk=tiny.pk).exists()
        session.commit()
        upkeep.mend()
        assert not EmbeddingModel.objects.filter(pk=tiny.pk).exists()
