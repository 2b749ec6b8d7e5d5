# SPDX-License-Identifier: GPL-2.0-or-later
from cryptography.hazmat.primitives.ciphers.algorithms import TripleDES as TripleDES
