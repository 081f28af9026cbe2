/** `data CONFIG`: shows the data of a config, to look at before training. */

import { loadExperiment } from '../../config/index.js';
import { summarize } from '../../data/index.js';
import { checkedData } from '../../library/checked-data.js';
import { taskOf } from '../../math/losses/index.js';
import { type Diagnostic, EXIT, UserError } from '../../util/errors.js';
import { json, set } from '../command/options.js';
import { defineVerb } from '../command/verb.js';
import { formatDiagnostics } from '../terminal/diagnostics.js';
import type { Io } from '../terminal/io.js';
import { summaryText } from './data-text.js';

export const verb = defineVerb({
  arguments: '<config>',
  options: { set, json: json('the summary') },
  help: 'Exit codes: 0 the data fit the config, 2 they do not, 5 data is damaged.',
  async action([file], { set, json }, { io }) {
    const document = (content: object): void =>
      io.data(`${JSON.stringify({ file, ...content }, undefined, 2)}\n`);
    try {
      const loaded = loadExperiment(file, { set });
      const { data: dataset, diagnostics, warnings } = await checkedData(loaded);
      const { experiment } = loaded;
      const summary = summarize(dataset, taskOf(experiment.loss) === 'labels');
      const valid = diagnostics.length === 0;
      if (json) document({ valid, diagnostics, warnings, kind: experiment.dataset.kind, ...summary });
      else {
        printProblems(diagnostics, warnings, io);
        io.out(summaryText(experiment.dataset.kind, summary, io.unicode ?? false));
      }
      return valid ? EXIT.done : EXIT.usage;
    } catch (error) {
      if (!json || !(error instanceof UserError)) throw error;
      document({ valid: false, diagnostics: error.diagnostics, warnings: [] });
      return error.exitCode;
    }
  },
});

function printProblems(diagnostics: readonly Diagnostic[], warnings: readonly Diagnostic[], io: Io): void {
  const color = io.color.err;
  if (diagnostics.length > 0) io.err(`${formatDiagnostics(diagnostics, { color })}\n`);
  if (warnings.length > 0) io.err(`${formatDiagnostics(warnings, { color, severity: 'warning' })}\n`);
}
