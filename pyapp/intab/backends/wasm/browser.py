"""WebAssembly in the browser, as a `Machine`: on one thread, or with a team of compute workers."""

from intab.backends.engine import Instance
from intab.backends.wasm.pool import ALIGNMENT
from intab.backends.wasm.speed import ROOM_NBYTES, Speeds, loop_table, measure, multiply_loop
from intab.backends.wasm.threads import DEADLINE_MS, SCRIPT, Team
from intab.browser.wasm import WasmInstance, WasmMemory, instantiate, validate
from intab.errors import IntabError, OutOfMemoryError
from intab.kernels.wasm import PAGE_NBYTES, generate, relaxed_simd_probe
from intab.kernels.wasm.together import CONTROL_NBYTES
from intab.target import WASM_RELAXED_SIMD, WASM_SIMD, Target

# The most a 32-bit memory can be. Reserved address space, not memory.
MAXIMUM_NBYTES = 65536 * PAGE_NBYTES
# A shared memory cannot move when it grows, so engines reserve its maximum, and a phone may refuse 4 GiB of
# addresses. The memory is made before the first model is known, so the maximum is the largest that is granted.
SHARED_MAXIMA = tuple(MAXIMUM_NBYTES >> halvings for halvings in range(5))
# A new team gets a block that no worker of the one before knows, should one of those still be on its way out.
CONTROL_BLOCKS = 8


class BrowserMachine:
    """One linear memory of the tab and the modules over it."""

    reserved_nbytes = 0

    def __init__(self) -> None:
        """Raises OutOfMemoryError when the browser cannot give even a small memory."""
        self.target = _target()
        self.memory = WasmMemory(PAGE_NBYTES, MAXIMUM_NBYTES)

    async def instantiate(self, module: bytes, threads: int = 1, *, measured: bool = False) -> Instance:
        """`threads` is 1: only a SharedMachine has more."""
        return await instantiate(module, self.memory)

    def dispose(self) -> None:
        self.memory.dispose()


class SharedMachine:
    """One memory that threads share, the modules over it, and the team that runs them."""

    script = SCRIPT
    deadline_ms = DEADLINE_MS
    # The control blocks and the measured loop lie before all regions of the pool.
    reserved_nbytes = CONTROL_BLOCKS * CONTROL_NBYTES + ROOM_NBYTES

    def __init__(self) -> None:
        """Raises OutOfMemoryError when the browser cannot give even a small memory."""
        self.target = _target().with_feature("threads")
        self.memory = _shared_memory()
        self._instances: dict[int, TeamInstance] = {}
        self._team: Team | None = None
        self._teams_made = 0
        self._numbers_given = 0
        self._speeds: dict[int, Speeds] = {}  # by the most threads

    def team(self, helpers: int) -> Team:
        """The team, of at least `helpers` workers: started when it is first asked for, anew when it has lost one.

        One that never was ready is not replaced: its script cannot be run, and that will not change.
        """
        if self._team is not None and self._team.broken is not None and self._team.was_ready:
            self._team.dispose()
            self._team = None
        if self._team is None:
            control = ALIGNMENT + self._teams_made % CONTROL_BLOCKS * CONTROL_NBYTES
            self._teams_made += 1
            self._team = Team(self.memory, control, helpers, script=self.script, deadline_ms=self.deadline_ms)
            for instance in self._instances.values():
                self._team.add(instance.number, instance.alone.module)
        self._team.grow_to(helpers)
        return self._team

    async def instantiate(self, module: bytes, threads: int = 1, *, measured: bool = False) -> Instance:
        if threads == 1:
            return await instantiate(module, self.memory)
        instance = await self._instance(module, threads)
        try:
            speeds = await self._measured(threads) if measured and instance.threads > 1 else None
        except BaseException:
            instance.dispose()
            raise
        if speeds is not None:
            instance.team_size, instance.speeds = speeds.best, speeds
        return instance

    async def _instance(self, module: bytes, threads: int) -> "TeamInstance":
        """A module on all threads; they are waited for, but not for ever."""
        team = self.team(threads - 1)  # its workers start while the module is compiled
        alone = await instantiate(module, self.memory)
        self._numbers_given += 1
        instance = TeamInstance(self, alone, self._numbers_given, threads)
        self._instances[instance.number] = instance
        try:
            team.add(instance.number, alone.module)
            await team.wait_until_ready(instance.number, threads - 1)
        except BaseException:
            instance.dispose()
            raise
        return instance

    async def _measured(self, most: int) -> Speeds | None:
        """How fast up to `most` threads are, kept where they all are of use; None when the workers do not come."""
        kept = self._speeds.get(most)
        if kept is not None and kept.best == most:
            return kept
        loop = await self._instance(generate([multiply_loop()], self.target), most)
        address = ALIGNMENT + CONTROL_BLOCKS * CONTROL_NBYTES

        def run(count: int) -> None:
            loop.team_size = count
            loop.run(address, 1, together=count > 1)

        try:
            if loop.threads > 1:
                self._speeds[most] = await measure(
                    run, lambda turns: self.memory.write(address, loop_table(address, turns)), most
                )
        finally:
            loop.dispose()
        return self._speeds.get(most)

    def forget(self, number: int) -> None:
        """An instance was disposed of. With the last one the team ends."""
        if self._instances.pop(number, None) is None or self._team is None:
            return
        if self._instances:
            self._team.drop(number)
        else:
            self._team.dispose()
            self._team = None

    def dispose(self) -> None:
        if self._team is not None:
            self._team.dispose()
            self._team = None
        self.memory.dispose()


class TeamInstance:
    """A module that a team runs; `alone` is the leader's own instance. `team_size` counts the leader."""

    def __init__(self, machine: SharedMachine, alone: WasmInstance, number: int, threads: int) -> None:
        self.alone = alone
        self.number = number
        self.team_size = threads
        self.speeds: Speeds | None = None
        self._machine = machine
        self._disposed = False

    @property
    def threads(self) -> int:
        return 1 if self._ready_team() is None else self.team_size

    def about_threads(self) -> tuple[str, ...]:
        notes = () if self.speeds is None else (str(self.speeds),)
        if self._disposed or self.threads == self.team_size:
            return notes
        broken = self._machine.team(self.team_size - 1).broken
        if broken is None:
            return (*notes, "one thread until the compute workers are ready")
        return (*notes, f"one thread, since the compute workers cannot run: {broken}")

    def run(self, table_address: int, step_count: int, *, together: bool = False) -> None:
        helpers = self.team_size - 1
        team = self._ready_team() if together else None
        if team is not None:
            team.look_after(helpers)
            team = self._ready_team()
        if team is None:
            self.alone.run(table_address, step_count)
            return
        try:
            team.run(self.alone, self.number, helpers, table_address, step_count)
        except IntabError:
            self._machine.team(helpers)  # another starts, and takes part in runs once it is ready
            raise

    def _ready_team(self) -> Team | None:
        """The team, if it is there and can run this module."""
        if self.team_size == 1 or self._disposed:
            return None
        team = self._machine.team(self.team_size - 1)
        return team if team.is_ready(self.number, self.team_size - 1) else None

    def dispose(self) -> None:
        self._disposed = True
        self.alone.dispose()
        self._machine.forget(self.number)


def _target() -> Target:
    return WASM_RELAXED_SIMD if validate(relaxed_simd_probe()) else WASM_SIMD


def _shared_memory() -> WasmMemory:
    """A shared memory with the largest maximum that this browser grants."""
    for maximum in SHARED_MAXIMA[:-1]:
        try:
            return WasmMemory(PAGE_NBYTES, maximum, shared=True)
        except OutOfMemoryError:
            continue
    return WasmMemory(PAGE_NBYTES, SHARED_MAXIMA[-1], shared=True)
