"""The part of a module that several threads run together: claimed chunks, and no thread that others wait for.

All threads share one memory, and in it a control block (`Control`). Its claim word holds the step that is being
run and the next chunk of it; a thread takes a chunk by one compare-and-swap of that word, so that a claim always
belongs to the step that the thread saw. Who finishes the last chunk of a step moves all on to the next one. So a
thread that comes late or is busy elsewhere holds nothing up; only a thread that dies in mid-chunk does, and then
the leader's patience ends and the run is poisoned.

Steps whose record says so (chunk 0) are run by the leader alone, one after the other and without a meeting.

    open(control, table, steps, module, workers) -> away
                                          a run begins, and the first so many workers are called to it; the bits of
                                          those that only a message reaches
    lead(control) -> status               the leader's part (thread 0); returns when all workers have left
    work(control, module, place) -> status
                                          a worker's part; nothing to do when another module runs, or none

Between runs workers wait at the word CALLS, in `web/compute.js`: a futex wakes them in a third of the time that a
message takes, and costs the leader less.

Waiting is a bounded spin, then a futex in slices of SLICE_MS, so that a poisoned run is noticed. Patience counts
slices instead of reading a clock: a machine that was asleep has used up one slice. Source: WebAssembly threads
proposal (atomic instructions).
"""

from enum import IntEnum

from intab.kernels.wasm.encoding import I32, I64, Function, Signature, signed, unsigned
from intab.kernels.wasm.function import Functions


class Control(IntEnum):
    """Byte offsets in the control block. What is written often lies on lines of its own."""

    CLAIM = 0  # i64: step << 32 | next chunk
    STEP = 4  # the claim's upper half, on which threads sleep
    DONE = 64  # chunks of the step that are computed
    MODULE = 128  # the number of the module that is run, 0 between runs
    POISON = 132  # a Status other than WELL ends the run for all
    TABLE = 136  # address of the step table
    END = 140  # count of steps
    PATIENCE = 144  # slices that a thread waits for the others
    SLEEPERS = 192  # threads that sleep on STEP, or are about to
    INSIDE = 196  # workers that are in the run
    CALLS = 256  # counts the times that workers were called
    # From here on a word for each worker, by its place in the team:
    SENT = 320  # messages to it, which it reads in its event loop only
    ANSWERS = 448  # the last call that it has followed
    STATES = 576  # a State


class State(IntEnum):
    """What reaches a worker."""

    AWAY = 0  # a message
    AWAKE = 1  # a look at CALLS, which it takes all the time or after the run that it is in
    ASLEEP = 2  # a futex at CALLS


class Status(IntEnum):
    """How a run ended."""

    WELL = 0
    LATE = 1  # a thread did not answer in time
    TRAPPED = 2  # a worker's code stopped; written by compute.js


CONTROL_NBYTES = 704
MOST_WORKERS = 31  # as many as have a bit and a word
SLICE_MS = 20
# About 2 ms of looking at a word in the first-level cache: longer than any wait between steps when each thread has a
# processor of its own. Threads that sleep in mid-run are put on one processor when they wake, on machines that would
# rather keep few awake, and stay there for tens of milliseconds.
SPINS = 2_000_000
# A claim's lower half counts chunks taken from the front and, above these bits, from the back.
_BACK_BITS = 16
_FROM_BACK = 1 << _BACK_BITS
_NOT_YET = -1
_ALL = -1
_TIMED_OUT = 2


class _Code(bytearray):
    """Instructions as methods; each gives back the code, to be chained."""

    def raw(self, *codes: int) -> "_Code":
        self += bytes(codes)
        return self

    def get(self, *locals: int) -> "_Code":
        for local in locals:
            self.raw(0x20, local)
        return self

    def set(self, local: int) -> "_Code":
        return self.raw(0x21, local)

    def i32(self, value: int) -> "_Code":
        self.raw(0x41).extend(signed(value))
        return self

    def i64(self, value: int) -> "_Code":
        self.raw(0x42).extend(signed(value))
        return self

    def load(self, offset: int) -> "_Code":
        self.raw(0x28, 2).extend(unsigned(offset))
        return self

    def atomic(self, opcode: int, offset: int) -> "_Code":
        wide = opcode in _WIDE
        self.raw(0xFE, opcode, 3 if wide else 2).extend(unsigned(offset))
        return self

    def call(self, index: int) -> "_Code":
        self.raw(0x10).extend(unsigned(index))
        return self

    def when(self) -> "_Code":
        return self.raw(0x04, 0x40)

    def loop(self) -> "_Code":
        return self.raw(0x03, 0x40)

    def end(self) -> "_Code":
        return self.raw(0x0B)

    def again(self, depth: int) -> "_Code":
        return self.raw(0x0C, depth)

    def leave(self) -> "_Code":
        return self.raw(0x0F)


NOTIFY, WAIT, LOAD, LOAD_64, STORE, STORE_64, ADD, SUBTRACT, SWAP_IF_64 = (
    0x00,
    0x01,
    0x10,
    0x11,
    0x17,
    0x18,
    0x1E,
    0x25,
    0x49,
)
_WIDE = (LOAD_64, STORE_64, SWAP_IF_64)
_PLUS, _MINUS, _TIMES, _DIVIDED, _EQUAL, _UNEQUAL, _BELOW, _IS_ZERO, _AND, _OR, _UP_BY, _SELECT, _DROP = (
    0x6A,
    0x6B,
    0x6C,
    0x6E,
    0x46,
    0x47,
    0x49,
    0x45,
    0x71,
    0x72,
    0x76,
    0x1B,
    0x1A,
)
_WRAP, _WIDEN, _PLUS_64, _EQUAL_64, _UP_64, _DOWN_64 = 0xA7, 0xAD, 0x7C, 0x51, 0x86, 0x88


def add_together(functions: Functions, step_nbytes: int) -> list[tuple[str, int]]:
    """Add the functions to a module; returns its exports. Type 0 of the module must be the kernels' signature."""
    publish = functions.add(_publish())
    alone = functions.add(_alone(step_nbytes))
    walk = functions.add(_walk(publish, alone, step_nbytes))
    return [
        ("open", functions.add(_open())),
        ("lead", functions.add(_lead(publish, alone, walk))),
        ("work", functions.add(_work(walk))),
    ]


def _open() -> Function:
    control, table, steps, module, workers, state, asleep, away = range(8)
    code = _Code()
    code.get(control, table).atomic(STORE, Control.TABLE)
    code.get(control, steps).atomic(STORE, Control.END)
    code.get(control).i32(0).atomic(STORE, Control.DONE)
    code.get(control).i64(_NOT_YET << 32).atomic(STORE_64, Control.CLAIM)
    code.get(control, module).atomic(STORE, Control.MODULE)
    # Called first, then looked at: who goes away after this looks at the call once more.
    code.get(control).i32(1).atomic(ADD, Control.CALLS).raw(_DROP)
    code.loop().get(workers).when()
    code.get(workers).i32(1).raw(_MINUS).set(workers)
    code.get(control, workers).i32(4).raw(_TIMES, _PLUS).atomic(LOAD, Control.STATES).set(state)
    code.get(asleep, state).i32(State.ASLEEP).raw(_EQUAL, _OR).set(asleep)
    code.get(away, away).raw(_PLUS).get(state).raw(_IS_ZERO, _OR).set(away)
    code.again(1).end().end()
    code.get(asleep).when().get(control).i32(_ALL).atomic(NOTIFY, Control.CALLS).raw(_DROP).end()
    code.get(away)
    return Function(Signature((I32,) * 5, (I32,)), (I32,) * 3, bytes(code))


def _publish() -> Function:
    """(control, step): all go on with this step. Sleepers are woken, which costs a call into the engine."""
    control, step = range(2)
    code = _Code()
    code.get(control, step).raw(_WIDEN).i64(32).raw(_UP_64).atomic(STORE_64, Control.CLAIM)
    code.get(control).atomic(LOAD, Control.SLEEPERS).when()
    code.get(control).i32(_ALL).atomic(NOTIFY, Control.STEP).raw(_DROP)
    code.end()
    return Function(Signature((I32, I32)), (), bytes(code))


def _alone(step_nbytes: int) -> Function:
    """(table, step, end) -> the next step to be shared out, or end, after running all before it."""
    table, step, end, record = range(4)
    code = _Code()
    code.loop()
    code.get(step, end).raw(_EQUAL).when().get(step).leave().end()
    code.get(table, step).i32(step_nbytes).raw(_TIMES, _PLUS).set(record)
    code.get(record).load(12).when().get(step).leave().end()
    code.get(record).load(4).i32(0).get(record).load(8).get(record).load(0).raw(0x11, 0, 0)
    code.get(step).i32(1).raw(_PLUS).set(step).again(0)
    code.end()
    code.raw(0x00)  # never reached
    return Function(Signature((I32, I32, I32), (I32,)), (I32,), bytes(code))


def _walk(publish: int, alone: int, step_nbytes: int) -> Function:
    """(control, thread) -> status: take chunks until the last step is done. The leader is thread 0."""
    control, thread, table, end, step, record, chunk, items, number, count, spins, patience, seen, state = range(14)
    code = _Code()
    code.get(control).load(Control.TABLE).set(table).get(control).load(Control.END).set(end)
    code.i32(_NOT_YET).set(seen).get(control).load(Control.PATIENCE).set(patience)
    code.loop()
    code.get(control).atomic(LOAD, Control.POISON).when()
    code.get(control).atomic(LOAD, Control.POISON).leave().end()
    code.get(control).atomic(LOAD_64, Control.CLAIM).set(state)
    code.get(state).i64(32).raw(_DOWN_64, _WRAP).set(step)
    code.get(step, end).raw(_EQUAL).when().i32(Status.WELL).leave().end()
    code.get(step, seen).raw(_UNEQUAL).when()
    code.get(step).set(seen).get(control).load(Control.PATIENCE).set(patience).end()
    code.get(step).i32(_NOT_YET).raw(_UNEQUAL).when()
    code.get(table, step).i32(step_nbytes).raw(_TIMES, _PLUS).set(record)
    code.get(record).load(12).set(chunk)
    code.get(chunk).when()  # shared out
    code.get(record).load(8).set(items).get(state).raw(_WRAP).set(number)
    code.get(items, chunk).raw(_PLUS).i32(1).raw(_MINUS).get(chunk).raw(_DIVIDED).set(count)
    code.get(number).i32(_FROM_BACK - 1).raw(_AND).get(number).i32(_BACK_BITS).raw(_UP_BY, _PLUS)
    code.get(count).raw(_BELOW).when()
    code.get(control, state, state).i64(_FROM_BACK).i64(1).get(thread).i32(1).raw(_AND, _SELECT, _PLUS_64)
    code.atomic(SWAP_IF_64, Control.CLAIM)
    code.get(state).raw(_EQUAL_64).when()
    # The number of the chunk, from the front or from the back.
    code.get(count).i32(1).raw(_MINUS).get(number).i32(_BACK_BITS).raw(_UP_BY, _MINUS)
    code.get(number).i32(_FROM_BACK - 1).raw(_AND)
    code.get(thread).i32(1).raw(_AND, _SELECT).set(number)
    _one_chunk(code, record, chunk, items, number)
    code.get(control).i32(1).atomic(ADD, Control.DONE).i32(1).raw(_PLUS).get(count).raw(_EQUAL).when()
    code.get(control).i32(0).atomic(STORE, Control.DONE)
    code.get(control, step).i32(1).raw(_PLUS).call(publish)
    code.end().end()
    code.again(3).end()
    code.raw(0x05).get(thread).raw(_IS_ZERO).when()  # the leader's alone
    code.get(control, table, step, end).call(alone).call(publish).again(3)
    code.end().end().end()
    _wait_for_step(code, control, step, spins)
    code.i32(_TIMED_OUT).raw(_EQUAL).when()
    code.get(patience).i32(1).raw(_MINUS).set(patience).get(patience).raw(_IS_ZERO).when()
    code.get(thread).raw(_IS_ZERO).when().get(control).i32(Status.LATE).atomic(STORE, Control.POISON).end()
    code.i32(Status.LATE).leave().end()
    code.end().again(0).end().raw(0x00)
    return Function(Signature((I32, I32), (I32,)), (I32,) * 11 + (I64,), bytes(code))


def _one_chunk(code: _Code, record: int, chunk: int, items: int, number: int) -> None:
    """kernel(words, number * chunk, min(items, number * chunk + chunk)); number and chunk change."""
    code.get(number, chunk).raw(_TIMES).set(number)
    code.get(number, chunk).raw(_PLUS).set(chunk)
    code.get(chunk, items, chunk, items).raw(_BELOW, _SELECT).set(chunk)
    code.get(record).load(4).get(number, chunk).get(record).load(0).raw(0x11, 0, 0)


def _wait_for_step(code: _Code, control: int, step: int, spins: int) -> None:
    """Spin, then sleep, while STEP is `step`. Goes to the loop around when it changed; leaves the futex's answer."""
    code.i32(SPINS).set(spins).loop()
    code.get(control).atomic(LOAD, Control.STEP).get(step).raw(_UNEQUAL, 0x0D, 1)
    code.get(spins).i32(1).raw(_MINUS).set(spins).get(spins).raw(0x0D, 0).end()
    code.get(control).i32(1).atomic(ADD, Control.SLEEPERS).raw(_DROP)
    code.get(control, step).i64(SLICE_MS * 1_000_000).atomic(WAIT, Control.STEP)
    code.get(control).i32(1).atomic(SUBTRACT, Control.SLEEPERS).raw(_DROP)


def _lead(publish: int, alone: int, walk: int) -> Function:
    control, status, patience, inside, spins = range(5)
    code = _Code()
    code.get(control).get(control).load(Control.TABLE).i32(0).get(control).load(Control.END).call(alone).call(publish)
    code.get(control).i32(0).call(walk).set(status)
    # Closed first, then counted: who comes after this sees it closed, who came before is counted.
    code.get(control).i32(0).atomic(STORE, Control.MODULE)
    code.get(status).when().get(status).leave().end()
    code.get(control).load(Control.PATIENCE).set(patience).i32(SPINS).set(spins)
    code.loop()
    code.get(control).atomic(LOAD, Control.INSIDE).set(inside)
    code.get(inside).raw(_IS_ZERO).when().i32(Status.WELL).leave().end()
    code.get(spins).when().get(spins).i32(1).raw(_MINUS).set(spins).again(1).end()
    code.get(control, inside).i64(SLICE_MS * 1_000_000).atomic(WAIT, Control.INSIDE).i32(_TIMED_OUT).raw(_EQUAL).when()
    code.get(patience).i32(1).raw(_MINUS).set(patience).get(patience).raw(_IS_ZERO).when()
    code.get(control).i32(Status.LATE).atomic(STORE, Control.POISON).i32(Status.LATE).leave().end()
    code.end().again(0).end().raw(0x00)
    return Function(Signature((I32,), (I32,)), (I32,) * 4, bytes(code))


def _work(walk: int) -> Function:
    control, module, place, status = range(4)
    code = _Code()
    code.get(control).i32(1).atomic(ADD, Control.INSIDE).raw(_DROP)
    code.get(control).atomic(LOAD, Control.MODULE).get(module).raw(_EQUAL).when()
    code.get(control, place).i32(1).raw(_PLUS).call(walk).set(status).end()
    code.get(control).i32(1).atomic(SUBTRACT, Control.INSIDE).raw(_DROP)
    code.get(control).i32(_ALL).atomic(NOTIFY, Control.INSIDE).raw(_DROP)
    code.get(status)
    return Function(Signature((I32, I32, I32), (I32,)), (I32,), bytes(code))
