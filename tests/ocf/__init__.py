# SPDX-License-Identifier: GPL-2.0-or-later
"""A tester of OCF resource agents, any agent, stricter than ocf-tester. Standard library only.

Run where the agent runs, as root: `python3 -m tests.ocf -o name=value AGENT`.
"""
