"""Which back end runs a model, in which form and on how many threads: decided by evidence, told as data.

    device + demand + what was asked for --decide--> Choice --settle, when it is close--> Choice

A Choice holds every way that was looked at with its needs, its estimate, and why it was refused, if it was.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace

from intab.errors import BackendUnavailableError, IntabError, UnsupportedOpError
from intab.runtime.demand import Demand, Variant
from intab.runtime.device import BACKENDS, Candidate, Choice, on_one_thread, on_threads
from intab.runtime.probe import Device
from intab.runtime.rates import PRECISIONS, estimated_ms, weights_nbytes
from intab.runtime.refusals import NOT_ASKED, fitting, left, mebibytes, obstacle, preferred, refuse

AUTO = "auto"
# A coarser form has to be so many times as fast as the exact one to be worth it.
WORTH = 1.3
# Estimates that differ by less than this are for a timed run to tell apart.
CLOSE = 2.0

Trial = Callable[[Candidate], Awaitable[float]]
"""Runs a candidate and says how many ms it took."""


def decide(
    device: Device,
    demand: Demand,
    *,
    backends: Sequence[str] = BACKENDS,
    backend: str = AUTO,
    precision: str = AUTO,
    threads: int | None = None,
) -> Choice:
    """The best way for a model on a device, or the best of those that were asked for.

    `backends` are those of this version. Raises BackendUnavailableError when what is asked for is not there or
    nothing can run the model, UnsupportedOpError for a precision that the model is not offered in.
    """
    _check_request(demand, backends, backend, precision)
    bases = {name: _with_threads(device, name, threads) for name in backends if backend in (AUTO, name)}
    looked_at = [
        _candidate(device, demand, name, variant, bases.get(name)) for name in backends for variant in demand.variants
    ]
    looked_at = refuse(looked_at, lambda one: "" if backend in (AUTO, one.backend) else NOT_ASKED)
    looked_at = refuse(looked_at, lambda one: "" if precision in (AUTO, one.precision) else NOT_ASKED)
    looked_at = refuse(looked_at, lambda one: obstacle(device, demand, one))
    looked_at = refuse(looked_at, lambda one: "" if bases[one.backend] else f"it has one thread, not {threads}")
    if not left(looked_at):
        raise BackendUnavailableError(_nothing_left(looked_at))
    looked_at, notes = fitting(device, looked_at)
    if backend == AUTO:
        looked_at = preferred(device, looked_at)
    best = _best(left(looked_at))
    base = bases[best.backend] or Choice(best.backend, ())
    reasons = [_why_back_end(device, looked_at, best, asked=backend != AUTO), *_why_precision(looked_at, best)]
    reasons += [*_why_not_others(looked_at, best), *notes, *_about_storage(device, demand, best)]
    if demand.assumed:
        reasons.append("sizes taken for granted: " + ", ".join(f"{name}={size}" for name, size in demand.assumed))
    return replace(base, reasons=(*reasons, *base.reasons), precision=best.precision, candidates=tuple(looked_at))


def rivals(choice: Choice) -> tuple[Candidate, ...]:
    """The ways that are too near to the chosen one to be told apart by an estimate, the chosen one first."""
    same = [one for one in choice.candidates if not one.refused and one.precision == choice.precision]
    chosen = [one for one in same if one.backend == choice.backend]
    near = [one for one in same if one not in chosen and one.estimated_ms <= CLOSE * chosen[0].estimated_ms]
    return (*chosen, *near)


async def settle(choice: Choice, trial: Trial) -> Choice:
    """The choice after a timed run of each rival, or as it was when it has none.

    A rival that fails is refused with its error; raises the error when all fail.
    """
    near = rivals(choice)
    if len(near) < 2:
        return choice
    tried: dict[tuple[str, str], Candidate] = {}
    errors = []
    for one in near:
        try:
            tried[one.backend, one.precision] = replace(one, measured_ms=await trial(one))
        except IntabError as error:
            errors.append(error)
            tried[one.backend, one.precision] = replace(one, refused=f"tried, and failed: {error}")
    measured = [(one.measured_ms, one) for one in tried.values() if one.measured_ms is not None]
    if not measured:
        raise errors[0]
    _, best = min(measured, key=lambda pair: pair[0])
    candidates = tuple(tried.get((one.backend, one.precision), one) for one in choice.candidates)
    told = ", ".join(f"{one.backend} {_ms(ms)}" for ms, one in measured)
    choice = replace(choice, candidates=candidates).noted(f"a run was timed, since it was close: {told}")
    return way_of(choice, best)


def way_of(choice: Choice, one: Candidate) -> Choice:
    """The choice of another candidate."""
    if one.backend == choice.backend:
        return choice
    return replace(choice, backend=one.backend, threads=one.threads, measured=one.threads > 1)


def _check_request(demand: Demand, backends: Sequence[str], backend: str, precision: str) -> None:
    if backend not in (AUTO, *backends):
        raise BackendUnavailableError(
            f"There is no back end {backend!r} in this version of intab; there are {', '.join(backends)}. "
            'Use backend="auto".'
        )
    offered = [variant.precision for variant in demand.variants]
    unknown = sorted(set(offered) - set(PRECISIONS))
    if unknown or not offered:
        forms = ", ".join(unknown) or "nothing"
        raise UnsupportedOpError(f"A model is offered as {forms}, which is none of {', '.join(PRECISIONS)}.")
    if precision not in (AUTO, *offered):
        raise UnsupportedOpError(
            f'precision={precision!r}: the model is offered as {", ".join(offered)}. Use one of these, or "auto".'
        )


def _with_threads(device: Device, backend: str, threads: int | None) -> Choice | None:
    """A choice without reasons but those of its threads; None where the threads asked for are none of its own."""
    bare = Choice(backend, ())
    if backend == "wasm" and device.place == "browser":
        return on_threads(bare, threads, isolated=device.can_share_memory, processors=device.processors)
    return on_one_thread(bare, threads) if threads in (None, 1) else None


def _candidate(device: Device, demand: Demand, backend: str, variant: Variant, base: Choice | None) -> Candidate:
    threads = 1 if base is None else base.threads
    return Candidate(
        backend,
        variant.precision,
        threads,
        needed_nbytes=weights_nbytes(device, backend, variant) + demand.arena_nbytes,
        estimated_ms=estimated_ms(device, demand, backend, variant, threads),
    )


def _best(allowed: Sequence[Candidate]) -> Candidate:
    """The fastest in the most exact form that comes near the fastest of all."""
    least_ms = min(one.estimated_ms for one in allowed)
    near = [one for one in allowed if one.estimated_ms < WORTH * least_ms]
    return min(near, key=lambda one: (PRECISIONS.index(one.precision), one.estimated_ms))


def _why_back_end(device: Device, looked_at: Sequence[Candidate], best: Candidate, *, asked: bool) -> str:
    if asked and best.backend == "webgpu" and device.webgpu is not None and device.webgpu.is_software:
        return f"asked for, although the adapter is software ({device.webgpu.name})"
    if asked:
        return "asked for"
    others = [one for one in left(looked_at) if one.backend != best.backend and one.precision == best.precision]
    if not others:
        return "the only one here that is of use"
    told = ", ".join(f"by {one.backend} about {_ms(one.estimated_ms)}" for one in others)
    return f"a run takes about {_ms(best.estimated_ms)}, {told}"


def _why_precision(looked_at: Sequence[Candidate], best: Candidate) -> Iterator[str]:
    """Why this form, where the model is offered in several."""
    mine = [one for one in looked_at if one.backend == best.backend and one.refused != NOT_ASKED]
    for one in mine:
        if PRECISIONS.index(one.precision) < PRECISIONS.index(best.precision):
            slower = f"a run takes about {_ms(one.estimated_ms)}, in {best.precision} {_ms(best.estimated_ms)}"
            yield f"not {one.precision}: {one.refused or slower}"
    coarser = [one for one in left(mine) if PRECISIONS.index(one.precision) > PRECISIONS.index(best.precision)]
    if coarser:
        names = " and ".join(one.precision for one in coarser)
        yield f"{best.precision}, since {names} would not be {WORTH:g} times as fast"


def _why_not_others(looked_at: Sequence[Candidate], best: Candidate) -> Iterator[str]:
    """Of each other back end that is out in every form, why; that numpy is slow needs no saying."""
    for name in dict.fromkeys(one.backend for one in looked_at if one.backend not in (best.backend, "reference")):
        of_one = [one for one in looked_at if one.backend == name and one.refused != NOT_ASKED]
        if of_one and all(one.refused for one in of_one):
            yield f"not {name}: {of_one[0].refused}"


def _about_storage(device: Device, demand: Demand, best: Candidate) -> Iterator[str]:
    """Whether the browser will keep the model for the next visit."""
    if device.place != "browser":
        return
    nbytes = next(variant.weights_nbytes for variant in demand.variants if variant.precision == best.precision)
    if device.storage is None:
        yield "nothing can be kept here, so that the model is downloaded at each visit"
    elif device.storage.free_nbytes is not None and device.storage.free_nbytes < nbytes:
        free = mebibytes(device.storage.free_nbytes)
        yield f"the browser keeps {free} more for this site, and the model has {mebibytes(nbytes)}"


def _nothing_left(looked_at: Sequence[Candidate]) -> str:
    """Of each back end and form that was asked for, why not."""
    reasons = {f"{one.backend}: {one.refused}": None for one in looked_at if one.refused != NOT_ASKED}
    return f"No back end can run this model here. {'; '.join(reasons)}. Use another, or what would bring it."


def _ms(ms: float) -> str:
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"
