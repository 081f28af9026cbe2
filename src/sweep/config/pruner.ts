/** A pruner on its own, named on the command line as a sweep names it. */

import { validateAgainst } from '../../config/schema/schema.js';
import { sweepSchema } from '../../config/schema/walk.js';
import { explainSchemaErrors } from '../../config/wording/complaints.js';
import { Locator } from '../../config/yaml/locator.js';
import { SourceText } from '../../config/yaml/source.js';
import { type MapNode, toPlain } from '../../config/yaml/tree.js';
import { usageError } from '../../util/errors.js';
import type { Pruner, SweepPlan } from '../plan.js';
import { flagNode, mapping, scalar } from './read.js';
import { checkPruner } from './run-checks.js';
import { settingsOf } from './settings.js';

/**
 * @param flag where the text comes from, without its hyphens
 * @param text such as `asha` or `{ kind: asha, reduction_factor: 3 }`
 * @throws UserError (exit 2) where it is none, or can't judge a trial of the plan before its last epoch
 */
export function prunerOf(
  flag: string,
  text: string,
  { name, objective, epochs }: Pick<SweepPlan, 'name' | 'objective' | 'epochs'>,
): Pruner {
  const source = new SourceText(`--${flag}`, text, '');
  const said = (value: string | number) => scalar(value, source, 0, text.length);
  const goal = mapping({ metric: said(objective.metric), goal: said(objective.goal) }, source);
  const given = { name: said(name), version: said(1), method: said('grid'), objective: goal };
  const tree: MapNode = mapping({ ...given, pruner: flagNode(flag, text) }, source);
  const problems = explainSchemaErrors(validateAgainst('sweep', toPlain(tree)), tree, sweepSchema());
  if (problems.length > 0) throw usageError(...problems);
  const settings = settingsOf(tree);
  const unfit = checkPruner(settings, { endsBySteps: false }, epochs, new Locator(tree));
  if (unfit.length > 0) throw usageError(...unfit);
  return settings.pruner;
}
