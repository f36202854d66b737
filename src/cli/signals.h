/* SIGINT (Ctrl-C) and SIGTERM. All threads of the program block them but one, which waits for them and does nothing
 * else: no handler ever interrupts a computation. A command that can stop in good order listens; the first signal then
 * sets a flag, which the training loop looks at after each step, and says so at once; a second one ends the program.
 * Where nobody listens the first one does. */
#ifndef SSFER_CLI_SIGNALS_H
#define SSFER_CLI_SIGNALS_H

/* Once, before any other thread is started: they inherit what is blocked. Signals that are ignored stay so (nohup, a
 * background job). Where no thread can be started, signals keep their usual effect. */
void ssfer_signals_start(void);

/* From here on the first signal is for ssfer_signals_received; clears the flag. */
void ssfer_signals_listen(void);
void ssfer_signals_unlisten(void);

/* The signal that asked to stop since the last ssfer_signals_listen, 0 if none did. Cheap: for every step. */
int ssfer_signals_received(void);

/* Ends the program by the signal as if we had never handled it: the shell sees which one it was. Returns only where the
 * system protects the process, as the first one of a container. */
void ssfer_signals_end_by(int number);

#endif
