# SPDX-License-Identifier: GPL-2.0-or-later
"""NamedTuple and IntEnum that cost nothing to import.

typing and enum, with what they pull in, take a quarter of a monitor's time (12 of 45 ms).
mypy sees the real ones. Here at run time: tuples and ints with names, no more.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from enum import IntEnum as IntEnum
    from typing import NamedTuple as NamedTuple
else:

    class NamedTuple(tuple):
        """A tuple whose fields are the annotations of the class, defaults its attributes."""

        __slots__ = ()

        def __init_subclass__(cls) -> None:
            cls._fields = tuple(cls.__annotations__)
            cls._defaults = {
                field: cls.__dict__[field] for field in cls._fields if field in cls.__dict__
            }
            for index, field in enumerate(cls._fields):
                setattr(cls, field, property(_getter(index)))

        def __new__(cls, *values, **named):
            fields = cls._fields
            if named or len(values) != len(fields):
                named = {**cls._defaults, **dict(zip(fields, values)), **named}
                if set(named) != set(fields) or len(values) > len(fields):
                    raise TypeError(f"{cls.__name__} takes {', '.join(fields)}")
                values = (named[field] for field in fields)
            return tuple.__new__(cls, values)

        def __repr__(self) -> str:
            pairs = self._asdict().items()
            return f"{type(self).__name__}({', '.join(f'{k}={v!r}' for k, v in pairs)})"

        def _asdict(self):
            return dict(zip(self._fields, self))

        def _replace(self, **changes):
            return type(self)(**{**self._asdict(), **changes})

    def _getter(index):
        return lambda self: self[index]

    class IntEnum(int):
        """Numbers with names. One that has no name here is still a number of this kind."""

        def __init_subclass__(cls) -> None:
            cls._names = {
                value: name for name, value in vars(cls).items() if not name.startswith("_")
            }
            for value, name in cls._names.items():
                setattr(cls, name, cls(value))

        @property
        def name(self) -> str:
            return self._names.get(int(self), f"{type(self).__name__} {int(self)}")

        __repr__ = __str__ = lambda self: self.name
