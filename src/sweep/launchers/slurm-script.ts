/**
 * The batch script of a job array: maps each index to a task, starts the task and records how it
 * ended. It passes on signals that reach only the script (SIGINT: stop, SIGUSR1: the time limit is
 * near). It does not pass on SIGTERM, with which Slurm ends or requeues a job: Slurm sends it to
 * every process of the job, and a second one would end a run before its checkpoint.
 */
import { join } from 'node:path';
import type { Task } from '../launcher.js';

/**
 * Signals that the time limit is near; differs from SIGINT, which a person sends to interrupt a
 * job.
 */
export const LIMIT_SIGNAL = 'USR1';

export interface ScriptPlan {
  readonly tasks: readonly Pick<Task, 'args' | 'directory'>[];
  /** Executable and first arguments of this program. */
  readonly program: readonly string[];
  /** Absolute path of the folder for the files `<index>.end`. */
  readonly folder: string;
}

export function batchScript({ tasks, program, folder }: ScriptPlan): string {
  const cases = tasks.map(
    ({ args, directory }, index) =>
      `${index}) lock=${quoted(join(directory, 'run.lock'))}; set -- ${args.map(quoted).join(' ')} ;;\n`,
  );
  return `#!/bin/sh
# Tasks of a sweep, one for each index of a job array. Written by cellrun.
case $SLURM_ARRAY_TASK_ID in
${cases.join('')}*) echo 'no such task' >&2; exit 2 ;;
esac
end=${quoted(folder)}/$SLURM_ARRAY_TASK_ID.end
rm -f "$end"
# Slurm never runs a task twice at once, so a lock of another machine is left from a lost job.
grep -qF "\\"$(uname -n)\\"" "$lock" 2>/dev/null || rm -f "$lock"

reason=exit
stopping=
child=
pass_on() {
  stopping=1
  signalled=1
  # sh makes background processes ignore SIGINT until they install a handler
  [ -z "$child" ] || kill -TERM "$child" 2>/dev/null
}
trap pass_on INT
trap 'reason=timeout; pass_on' ${LIMIT_SIGNAL}
trap 'reason=slurm; signalled=1' TERM

${program.map(quoted).join(' ')} "$@" </dev/null >/dev/null &
child=$!
[ -z "$stopping" ] || pass_on
code=127
while :; do
  signalled=
  wait "$child"
  status=$?
  # 127: already waited for
  [ "$status" -eq 127 ] || code=$status
  # a signal also ends wait
  [ -n "$signalled" ] || break
done
echo "$code $reason" >"$end.part" && mv -f "$end.part" "$end"
# a paused run has not failed
[ "$code" -ne 130 ] || exit 0
exit "$code"
`;
}

/** Quotes a text for sh. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
