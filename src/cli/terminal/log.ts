/**
 * What the program says besides its output and its progress: records of pino on stderr. A person at
 * a terminal reads them as text. A service manager, a container, CI or a file keeps lines, which
 * programs search: there each record is a line of JSON, which `pino-pretty` makes readable. The
 * stream decides, as it does for colors: whoever starts a service by hand needs no option, and
 * neither does a unit file.
 */
import { type Logger, type LoggerOptions, openLogger } from '../../host/index.js';
import type { Io } from './io.js';

export function openProgramLog(io: Io, level: LoggerOptions['level']): Logger {
  return openLogger(io.log ?? (line => io.err(textOf(JSON.parse(line) as Shown))), { level });
}

/** What a person sees of a record. */
interface Shown {
  readonly level: string;
  readonly msg: string;
  readonly err?: { readonly stack: string };
}

function textOf({ level, msg, err }: Shown): string {
  const label = { warn: 'warning: ', error: 'error: ' }[level] ?? '';
  return `${label}${msg}\n${err ? `${err.stack}\n` : ''}`;
}
