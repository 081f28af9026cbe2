/** The verb `report`. */
import { type Command, Option } from 'commander';
import { jsonOption, type Shell, verb } from '../flags.js';

export function addReport(program: Command, { io, finish }: Shell): void {
  verb(
    program,
    'report <path>',
    'one HTML file about a run, a sweep or a folder of them, that needs no network',
  )
    .addOption(
      new Option(
        '-o, --output <file>',
        "where to write it; '-' is stdout (default: report.html inside <path>)",
      ),
    )
    .addOption(jsonOption('what the page shows'))
    .action(async (path: string, { output, json = false }: { output?: string; json?: boolean }) => {
      const { report } = await import('./report.js');
      finish(report(path, { output, json }, io));
    });
}
