"""ComfyUI's HTTP routes, each also under /api, and the simulator's own two."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import uuid
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from aiohttp import web
from PIL import Image

from generation.simulator import system
from generation.simulator.catalog import FOLDERS
from generation.simulator.files import FOLDERS as FILE_FOLDERS
from generation.simulator.files import OutsideError
from generation.simulator.jobs import Item, now_ms
from generation.simulator.media import converted, masked, send_badly
from generation.simulator.validation import is_canonical_uuid, problem, validate

if TYPE_CHECKING:
    from generation.simulator.server import Simulator

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SCRIPTABLE = {
    "text/html",
    "text/html-sandboxed",
    "application/xhtml+xml",
    "text/javascript",
    "text/css",
}


async def json_of(request: web.Request) -> dict[str, Any]:
    """The body as an object, empty if there is none. Raises HTTPBadRequest."""
    text = await request.text()
    if not text:
        return {}
    try:
        body = json.loads(text)
    except json.JSONDecodeError as error:
        raise web.HTTPBadRequest(text="The body is not JSON.") from error
    if not isinstance(body, dict):
        raise web.HTTPBadRequest(text="The body is not a JSON object.")
    return body


class Api:
    """The handlers of one life of a simulator."""

    def __init__(self, simulator: Simulator) -> None:
        self.simulator = simulator
        self.queue = simulator.queue
        self.frames = simulator.frames
        self.executor = simulator.executor
        self.faults = simulator.faults
        self.files = simulator.files
        self.catalog = simulator.catalog

    def application(self) -> web.Application:
        """Build an application with all routes."""
        app = web.Application(
            middlewares=[self._same_origin, self._http_errors],
            client_max_size=self.simulator.max_upload,
        )
        for method, path, handler in self._routes():
            app.router.add_route(method, path, handler)
            if path != "/" and not path.startswith("/api/"):
                app.router.add_route(method, f"/api{path}", handler)
        app.router.add_get("/simulator/faults", self.get_faults)
        app.router.add_post("/simulator/faults", self.post_faults)
        app.router.add_get("/simulator/executions", self.get_executions)
        return app

    def _routes(self) -> list[tuple[str, str, Handler]]:
        routes: list[tuple[str, str, Handler]] = [
            ("GET", "/", self.get_home),
            ("GET", "/ws", self.frames.serve),
            ("POST", "/prompt", self.post_prompt),
            ("GET", "/prompt", self.get_prompt),
            ("GET", "/queue", self.get_queue),
            ("POST", "/queue", self.post_queue),
            ("GET", "/history", self.get_history),
            ("GET", "/history/{id}", self.get_history_entry),
            ("POST", "/history", self.post_history),
            ("POST", "/interrupt", self.post_interrupt),
            ("POST", "/free", self.post_free),
            ("GET", "/view", self.get_view),
            ("POST", "/upload/image", self.post_image),
            ("POST", "/upload/mask", self.post_mask),
            ("GET", "/object_info", self.get_object_info),
            ("GET", "/object_info/{class}", self.get_node),
            ("GET", "/system_stats", self.get_system_stats),
            ("GET", "/models", self.get_models),
            ("GET", "/models/{folder}", self.get_models_of),
            ("GET", "/embeddings", self.get_embeddings),
        ]
        if self.simulator.modern:
            routes += [
                ("GET", "/features", self.get_features),
                ("GET", "/api/jobs", self.get_jobs),
                ("GET", "/api/jobs/{id}", self.get_job),
                ("POST", "/api/jobs/{id}/cancel", self.cancel_job),
            ]
        return routes

    # Middlewares

    @web.middleware
    async def _same_origin(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            return web.Response(status=403)
        if request.headers.get("Sec-Fetch-Site") == "cross-site":
            return web.Response(status=403)
        return await handler(request)

    @web.middleware
    async def _http_errors(
        self, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        error = self.faults.take_http_error(request.path)
        if error is None:
            return await handler(request)
        if error.after:
            await handler(request)
        page = f"<html><title>{error.status}</title><h1>{error.status}</h1>nginx</html>"
        return web.Response(status=error.status, text=page, content_type="text/html")

    # Prompts

    async def post_prompt(self, request: web.Request) -> web.Response:
        body = await json_of(request)
        if not isinstance(graph := body.get("prompt"), dict):
            refusal = problem("no_prompt", "No prompt provided", "No prompt provided")
            return self._refuse(refusal)
        prompt_id = body.get("prompt_id", str(uuid.uuid4()))
        if not is_canonical_uuid(prompt_id):
            details = "job id must be a UUID in canonical lowercase hyphenated form"
            return self._refuse(
                problem("invalid_prompt_id", "Invalid prompt_id", details)
            )
        verdict = validate(graph, self.catalog)
        if verdict.error is not None:
            return self._refuse(verdict.error, verdict.node_errors)
        extra_data = dict(body.get("extra_data") or {})
        if "client_id" in body:
            extra_data["client_id"] = body["client_id"]
        extra_data["create_time"] = now_ms()
        number = self._number(body)
        item = Item(number, prompt_id, graph, extra_data, verdict.outputs)
        self.queue.put(item)
        self.frames.post_status()
        answer = {"prompt_id": prompt_id, "number": number}
        return web.json_response({**answer, "node_errors": verdict.node_errors})

    def _number(self, body: dict[str, Any]) -> float:
        if "number" in body:
            return float(body["number"])
        number = self.queue.next_number
        self.queue.next_number += 1
        return -number if body.get("front") else number

    def _refuse(
        self, error: dict[str, Any], node_errors: dict[str, Any] | None = None
    ) -> web.Response:
        body = {"error": error, "node_errors": node_errors or {}}
        return web.json_response(body, status=400)

    async def get_prompt(self, request: web.Request) -> web.Response:
        info = {"queue_remaining": self.queue.remaining}
        return web.json_response({"exec_info": info})

    async def get_queue(self, request: web.Request) -> web.Response:
        running = self.queue.running
        return web.json_response(
            {
                "queue_running": [running.as_json()] if running else [],
                "queue_pending": [item.as_json() for item in self.queue.pending],
            }
        )

    async def post_queue(self, request: web.Request) -> web.Response:
        body = await json_of(request)
        if body.get("clear"):
            self.queue.clear()
        for prompt_id in body.get("delete", []):
            self.queue.delete(prompt_id)
        self.frames.post_status()
        return web.Response()

    async def post_interrupt(self, request: web.Request) -> web.Response:
        prompt_id = (await json_of(request)).get("prompt_id")
        if (
            prompt_id is None
            or not self.simulator.modern
            or self.queue.is_running(prompt_id)
        ):
            self.executor.interrupt()
        return web.Response()

    async def post_free(self, request: web.Request) -> web.Response:
        body = await json_of(request)
        self.executor.free(
            models=bool(body.get("unload_models")), memory=bool(body.get("free_memory"))
        )
        return web.Response()

    # What became of them

    async def get_history(self, request: web.Request) -> web.Response:
        entries = list(self.queue.history.items())
        offset = int(request.query.get("offset", -1))
        if "max_items" in request.query:
            count = int(request.query["max_items"])
            start = max(len(entries) - count, 0) if offset < 0 else offset
            entries = entries[start : start + count]
        return web.json_response({key: entry.as_history() for key, entry in entries})

    async def get_history_entry(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["id"]
        result = self.queue.history.get(prompt_id)
        return web.json_response({prompt_id: result.as_history()} if result else {})

    async def post_history(self, request: web.Request) -> web.Response:
        body = await json_of(request)
        if body.get("clear"):
            self.queue.history.clear()
        for prompt_id in body.get("delete", []):
            self.queue.history.pop(prompt_id, None)
        return web.Response()

    async def get_jobs(self, request: web.Request) -> web.Response:
        wanted = request.query.get("status")
        jobs = self.queue.jobs(set(wanted.split(",")) if wanted else None)
        if request.query.get("sort_order") == "asc":
            jobs.reverse()
        offset = int(request.query.get("offset", 0))
        limit = int(request.query["limit"]) if "limit" in request.query else None
        end = None if limit is None else offset + limit
        page = {
            "offset": offset,
            "limit": limit,
            "total": len(jobs),
            "has_more": end is not None and end < len(jobs),
        }
        return web.json_response({"jobs": jobs[offset:end], "pagination": page})

    async def get_job(self, request: web.Request) -> web.Response:
        job = self.queue.job(request.match_info["id"])
        if job is None:
            return web.json_response({"error": "Job not found"}, status=404)
        return web.json_response(job)

    async def cancel_job(self, request: web.Request) -> web.Response:
        prompt_id = request.match_info["id"]
        if self.queue.is_running(prompt_id):
            self.executor.interrupt()
            return web.json_response({"cancelled": True})
        if self.queue.delete(prompt_id):
            self.frames.post_status()
            return web.json_response({"cancelled": True})
        if prompt_id in self.queue.history:
            return web.json_response({"cancelled": False})
        return web.json_response({"error": "Job not found"}, status=404)

    # Files

    async def get_view(self, request: web.Request) -> web.StreamResponse:
        query = request.query
        name, folder = query.get("filename", ""), query.get("type", "output")
        if not name:
            return web.Response(status=404)
        if name.startswith("/") or ".." in name or folder not in FILE_FOLDERS:
            return web.Response(status=400)
        try:
            path = self.files.path(folder, query.get("subfolder", ""), name)
        except OutsideError:
            return web.Response(status=403)
        if not path.is_file() or self.faults.bad_files == "missing":
            return web.Response(status=404)
        headers = {"Content-Disposition": f'filename="{path.name}"'}
        if self.faults.bad_files is not None:
            return await send_badly(request, path, self.faults.bad_files)
        if preview := query.get("preview"):
            body, kind = await asyncio.to_thread(converted, path, preview)
            return web.Response(body=body, content_type=kind, headers=headers)
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        if kind in SCRIPTABLE:
            kind = "application/octet-stream"
            headers["Content-Disposition"] = f'attachment; filename="{path.name}"'
        return web.FileResponse(path, headers={**headers, "Content-Type": kind})

    async def post_image(self, request: web.Request) -> web.Response:
        return await self._upload(request, mask=False)

    async def post_mask(self, request: web.Request) -> web.Response:
        return await self._upload(request, mask=True)

    async def _upload(self, request: web.Request, *, mask: bool) -> web.Response:
        form = await request.post()
        upload = form.get("image")
        if not isinstance(upload, web.FileField) or not upload.filename:
            return web.Response(status=400)
        folder = str(form.get("type") or "input")
        if folder not in FILE_FOLDERS:
            return web.Response(status=400)
        content = upload.file.read()
        try:
            if mask:
                original = json.loads(str(form.get("original_ref", "{}")))
                content = await asyncio.to_thread(masked, self.files, original, content)
            saved = self.files.store_upload(
                content,
                upload.filename,
                folder,
                str(form.get("subfolder", "")),
                str(form.get("overwrite", "")) in ("true", "1"),
            )
        except (OutsideError, OSError, ValueError, Image.DecompressionBombError):
            return web.Response(status=400)
        return web.json_response(saved)

    # What the server is

    async def get_home(self, request: web.Request) -> web.Response:
        return web.Response(text=system.HOME_PAGE, content_type="text/html")

    async def get_object_info(self, request: web.Request) -> web.Response:
        return web.json_response(self.catalog.everything())

    async def get_node(self, request: web.Request) -> web.Response:
        name = request.match_info["class"]
        known = name in self.catalog
        return web.json_response({name: self.catalog[name]} if known else {})

    async def get_system_stats(self, request: web.Request) -> web.Response:
        return web.json_response(system.stats(modern=self.simulator.modern))

    async def get_features(self, request: web.Request) -> web.Response:
        return web.json_response(self.simulator.features())

    async def get_models(self, request: web.Request) -> web.Response:
        return web.json_response(list(FOLDERS))

    async def get_models_of(self, request: web.Request) -> web.Response:
        names = self.catalog.folder(request.match_info["folder"])
        if names is None:
            return web.Response(status=404)
        return web.json_response(names)

    async def get_embeddings(self, request: web.Request) -> web.Response:
        return web.json_response([])

    # The simulator itself

    async def get_faults(self, request: web.Request) -> web.Response:
        return web.json_response(self.faults.as_json())

    async def post_faults(self, request: web.Request) -> web.Response:
        changes = await json_of(request)
        try:
            self.faults.apply(changes)
        except ValueError as error:
            return web.json_response({"error": str(error)}, status=400)
        if "restart" in changes:
            # The answer goes out before this server ends.
            task = asyncio.create_task(self._restart_soon(float(changes["restart"])))
            self.simulator.keep(task)
        return web.json_response(self.faults.as_json())

    async def _restart_soon(self, down_for: float) -> None:
        await asyncio.sleep(0.05)
        await self.faults.restart(down_for)

    async def get_executions(self, request: web.Request) -> web.Response:
        seen: dict[str, Any] = {}
        for run in self.simulator.ledger.runs:
            entry = seen.setdefault(run.prompt_id, {"count": 0, "runs": []})
            entry["count"] += 1
            entry["runs"].append({"start": run.start, "end": run.end})
        return web.json_response(seen)
