"""A model's weights on one GPU, shared by all of its sessions there; freed with the last of them."""

from __future__ import annotations

import dataclasses
import hashlib
import threading
import weakref

import numpy as np

from dsruntime.backends.cuda.driver import Driver, active
from dsruntime.backends.cuda.weights import Packed, Prepared, prepare
from dsruntime.errors import DsError
from dsruntime.model import Model


class DeviceModel:
    """Constants by their content, packed weights by (index, role, group). Call between enter() and leave()."""

    def __init__(self, model: Model, driver: Driver) -> None:
        self.driver = driver
        self.graph = model.graph
        self._decode = model.decode_weight
        self._lock = threading.RLock()
        self._constants: dict[bytes, int] = {}
        self._packed: dict[tuple[int, str, int], Packed] = {}
        self._arrays: dict[int, np.ndarray] = {}
        self._stream = driver.stream()
        addresses: list[int] = []
        self._addresses = addresses
        self.close = weakref.finalize(self, release, driver, addresses, self._stream)

    def decoded(self, index: int) -> np.ndarray:
        """Weight `index` as libdsf decodes it; small ones are remembered."""
        found = self._arrays.get(index)
        if found is None:
            found = self._decode(index)
            if found.nbytes <= 1 << 20:
                self._arrays[index] = found
        return found

    def upload(self, array: np.ndarray) -> int:
        """The address of an array's bytes on the GPU; equal bytes are there once."""
        key = hashlib.sha256(array.tobytes()).digest() + str(array.nbytes).encode()
        with self._lock:
            if key not in self._constants:
                self._constants[key] = self._allocate(array.nbytes)
                self._send(self._constants[key], array)
            return self._constants[key]

    def packed(self, index: int, role: str, group: int = 1) -> Packed:
        """The weight as the matrix kernels read it: its planes uploaded as stored and permuted on the GPU."""
        key = (index, role, group)
        with self._lock:
            if key not in self._packed:
                weight = self.graph.weights[index]
                shape = self.graph.value(weight.value).shape
                self._packed[key] = self._pack(prepare(self.graph.form(weight), shape, role, group))
            return self._packed[key]

    def _pack(self, prepared: Prepared) -> Packed:
        """The stored bytes are gone when this ends; what stays is in tiles."""
        upload = np.ascontiguousarray(prepared.upload)
        address, source = self._allocate(prepared.bytes), self.driver.allocate(upload.nbytes)
        try:
            self.driver.upload(source, upload, self._stream)
            for launch in prepared.launches(source, address):
                self.driver.launch(launch, self._stream)
            self.driver.synchronize(self._stream)
        finally:
            self.driver.free(source)
        return Packed(dataclasses.replace(prepared, upload=np.empty(0, np.uint8)), address)

    def _allocate(self, bytes: int) -> int:
        address = self.driver.allocate(bytes)
        self._addresses.append(address)
        return address

    def _send(self, address: int, array: np.ndarray) -> None:
        self.driver.upload(address, np.ascontiguousarray(array).reshape(-1).view(np.uint8), self._stream)
        self.driver.synchronize(self._stream)


def release(driver: Driver, addresses: list[int], stream: int) -> None:
    """Of the finalizer: a process that was forked, or whose GPU is lost, has nothing to give back."""
    try:
        with active(driver):
            while addresses:
                driver.free(addresses.pop())
            driver.release_stream(stream)
    except DsError:
        pass


shared: weakref.WeakKeyDictionary[Model, weakref.WeakValueDictionary[int, DeviceModel]] = weakref.WeakKeyDictionary()
making = threading.Lock()


def on_device(model: Model, driver: Driver) -> DeviceModel:
    """The one of this model and driver, while a session uses it."""
    with making:
        found = shared.setdefault(model, weakref.WeakValueDictionary())
        made = found.get(id(driver))
        if made is None:
            made = found[id(driver)] = DeviceModel(model, driver)
        return made
