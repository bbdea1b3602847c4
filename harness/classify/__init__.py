"""From evidence to verdict, purely: nothing here reads a file, a clock or a machine."""
