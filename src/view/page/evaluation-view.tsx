/** Predictions of single sequences: the confusion matrix and the worst mistakes. */
import type { EvaluationReport } from '../document.js';
import { Confusion } from './confusion.js';
import { ScoreTable } from './measured-tables.js';
import { Mistakes } from './mistakes.js';
import { TrueAndPredicted } from './true-and-predicted.js';

export function EvaluationView({ evaluation }: { readonly evaluation: EvaluationReport }) {
  const { classes, values, scores } = evaluation;
  const where = [
    `${evaluation.split} split`,
    evaluation.epoch === null ? '' : `epoch ${evaluation.epoch}`,
    evaluation.step === null ? '' : `step ${evaluation.step}`,
  ];
  const place = where.filter(Boolean).join(', ');
  return (
    <>
      {classes?.confusion && (
        <Confusion
          names={classes.names}
          counts={classes.confusion}
          undecided={classes.undecided}
          place={place}
        />
      )}
      {classes !== null && classes.mistakes.length > 0 && <Mistakes classes={classes} place={place} />}
      {values !== null && <TrueAndPredicted values={values} place={place} />}
      {scores !== null && <ScoreTable scores={scores} place={place} />}
    </>
  );
}
