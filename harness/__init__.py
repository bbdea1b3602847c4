"""Reliability testing of reboots: is a reboot by kexec as good as one through firmware?"""
