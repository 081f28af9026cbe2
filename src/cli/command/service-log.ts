/** The log of the verbs that stay, `serve` and `worker`: its level, and how it ends. */
import { LOG_LEVELS, type Logger } from '../../host/index.js';
import { EXIT, type ExitCode, placeOf, UserError } from '../../util/errors.js';
import type { Io } from '../terminal/io.js';
import { openProgramLog } from '../terminal/log.js';
import { parsed } from './verb.js';

const LEVELS = [...LOG_LEVELS, 'silent'] as const;

export const logLevel = parsed(
  '<level>',
  `least level of what is logged on stderr: ${LEVELS.join(', ')}`,
  LEVELS.join(', '),
  // containers often set an empty variable, and other programs write names of levels in capitals
  text => (text === '' ? 'info' : LEVELS.find(level => level === text.toLowerCase())),
)
  .default('info')
  .with({ env: 'LOG_LEVEL' });

/**
 * Does the work of a service with its log. What ends the service is the last line of the log,
 * unless a person reads it: to them, `call.ts` shows errors as those of every verb.
 */
export async function withServiceLog(
  io: Io,
  level: typeof logLevel.type,
  work: (log: Logger) => Promise<ExitCode>,
): Promise<ExitCode> {
  const log = openProgramLog(io, level);
  if (io.log === undefined) return work(log);
  const fail = (error: unknown): ExitCode => {
    if (!(error instanceof UserError)) {
      log.fatal({ err: error }, 'the service has failed');
      return EXIT.unexpected;
    }
    for (const { message, ...details } of error.diagnostics)
      log.fatal(details, `${placeOf(details)}${message}`);
    return error.exitCode;
  };
  const crash = (error: Error) => process.exit(fail(error));
  process.prependListener('uncaughtException', crash);
  try {
    return await work(log);
  } catch (error) {
    return fail(error);
  } finally {
    process.off('uncaughtException', crash);
  }
}
