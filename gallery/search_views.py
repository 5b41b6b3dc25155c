"""Pages beside the gallery's search: facets, suggestions, searches that are kept."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from accounts.http import PersonRequest
from accounts.models import User
from gallery.models import SavedSearch
from gallery.search import asking, counting, suggesting
from gallery.search.parsing import parse

MAX_SEARCHES = 200


@login_required
@require_safe
def facets(request: PersonRequest) -> HttpResponse:
    """Models, tags, months… of the gallery, or of the search, with their numbers."""
    asked = asking.of(request)
    if asked.searching and asked.found.ok:
        counts = counting.of_search(asked.found)
    else:
        counts = counting.of_gallery(request.user)
    groups = [
        (counting.KINDS[kind], [asking.Choice.of(asked, count) for count in some])
        for kind, some in counts.items()
    ]
    context = {"search": asked, "groups": groups, "bound": counting.BOUND}
    name = "_facets.html" if request.htmx else "facets.html"
    return render(request, f"gallery/{name}", context)


@login_required
@require_safe
def suggest(request: PersonRequest) -> JsonResponse:
    """What the word that is being typed may become; for the field's list."""
    found = suggesting.suggest(request.user, request.GET.get("word", "")[:100])
    response = JsonResponse({"suggestions": [s._asdict() for s in found]})
    response["Cache-Control"] = "private, max-age=20"
    return response


class SavedSearchForm(forms.ModelForm[SavedSearch]):
    class Meta:
        model = SavedSearch
        fields = ("title", "query")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["title"].error_messages["required"] = "Give the search a name."

    def clean_title(self) -> str:
        title = str(self.cleaned_data["title"])
        own = SavedSearch.objects.filter(owner=self.instance.owner, title=title)
        if own.exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError("You have a search of this name already.")
        return title

    def clean_query(self) -> str:
        query = str(self.cleaned_data["query"])
        if problems := parse(query).problems:
            raise forms.ValidationError([problem.sentence for problem in problems])
        return query

    def clean(self) -> dict[str, Any] | None:
        own = SavedSearch.objects.filter(owner=self.instance.owner)
        if self.instance._state.adding and own.count() >= MAX_SEARCHES:
            raise forms.ValidationError(
                f"You keep {MAX_SEARCHES} searches already. Delete one first."
            )
        return super().clean()


@login_required
def search_list(request: PersonRequest) -> HttpResponse:
    """The searches that a person keeps; POST keeps one more."""
    form = SavedSearchForm(
        request.POST or None,
        instance=SavedSearch(owner=request.user),
        initial={"query": request.GET.get("q", "")},
    )
    if request.method == "POST" and form.is_valid():
        made = form.save()
        messages.success(request, f"“{made.title}” is kept with your searches.")
        return redirect(address(made))
    context = {
        "form": form,
        "kept": kept_by(request.user),
        "asked": bool(request.GET.get("q") or request.POST),
    }
    status = 422 if request.method == "POST" else 200
    return render(request, "gallery/search_list.html", context, status=status)


def kept_by(person: User) -> list[tuple[SavedSearch, str]]:
    """A person's searches, each with its address."""
    kept = SavedSearch.objects.filter(owner=person).order_by("title", "pk")
    return [(search, address(search)) for search in kept[:MAX_SEARCHES]]


def address(search: SavedSearch) -> str:
    query = asking.encoded(search.query)
    return f"{reverse('gallery:image-list')}?{query}"


def _get_search(request: HttpRequest, pk: UUID) -> SavedSearch:
    if not request.user.is_authenticated:
        return get_object_or_404(SavedSearch.objects.none())
    return get_object_or_404(SavedSearch, owner=request.user, pk=pk)


@login_required
def edit_search(request: PersonRequest, pk: UUID) -> HttpResponse:
    """Another name, or other words."""
    search = _get_search(request, pk)
    form = SavedSearchForm(request.POST or None, instance=search)
    if request.method == "POST" and form.is_valid():
        form.save()
        messages.success(request, "The search was changed.")
        return redirect("gallery:search-list")
    status = 422 if request.method == "POST" else 200
    context = {"form": form, "search_id": pk}
    return render(request, "gallery/search_edit.html", context, status=status)


@login_required
@require_POST
def delete_search(request: PersonRequest, pk: UUID) -> HttpResponse:
    search = _get_search(request, pk)
    search.delete()
    sentence = f"“{search.title}” was deleted. Its pictures stay where they are."
    messages.success(request, sentence)
    return redirect("gallery:search-list")
