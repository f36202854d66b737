/* An auxiliary balanced classifier (ABC): a second linear head on the same features, which learns from masked batches
 * in which all classes come alike, while the first head and the features learn from all pictures. With n_k labeled
 * pictures of class k, n_min of the smallest class, a(x) the auxiliary logits and t = epoch / epochs, from 0:
 *
 *   L_cls = 1/B      sum_b M(y_b) CE(y_b, a(x_b))
 *   L_con = 1/(mu B) sum_b m_b CE(q_b, a(strong_b)),  m_b = 1(max_k q_b(k) >= tau) M'(argmax q_b)
 *   M(k)  ~ Bernoulli(n_min / n_k)
 *   M'(k) ~ Bernoulli(1 - t (1 - n_min / n_k))
 *
 * with q_b the softmax of the teacher's auxiliary logits of the weak view, soft. L_cls + L_con joins the loss and its
 * gradient goes on into the features. Where labeled pictures are sampled by class already, M is 1. Source: Lee et al.
 * 2021, "ABC: Auxiliary Balanced Classifier for Class-imbalanced Semi-supervised Learning" (arXiv 2110.10368), its
 * class-balanced loss and consistency regularisation, and the authors' code for t and the soft targets. Other than
 * there the teacher is the averaged model, tau is that of the pseudo-labels, and the head starts as a copy of Stage
 * II's.
 *
 * Where pictures are blended (train/pseudo_mixup.h: i with j, lambda), each brings its own mask, so that one which is
 * masked out teaches nothing, whoever its partner is, and classes come as they would without blending:
 *
 *   w_i := lambda m_i + (1 - lambda) m_j                                in the place of m_i
 *   q_i := (lambda m_i q_i + (1 - lambda) m_j q_j) / w_i
 *
 * The larger mask of the two would let in the large classes again; the product would keep the balance, but of few.
 *
 * While it is trained, the model is one with 2 K outputs: the first head's, then the auxiliary ones. What is validated
 * and stored in the end is the plain classifier with the auxiliary head in the place of the first. */
#ifndef SSFER_TRAIN_ABC_H
#define SSFER_TRAIN_ABC_H

#include "models/vit.h"
#include "train/pseudo_mixup.h"

typedef struct ssfer_abc {
    size_t classes;
    const ssfer_vit *plain; /* borrowed until deinit */
    double *labeled;        /* (K): chance that a labeled picture of the class counts */
    double *unlabeled;      /* (K): n_min / n_k */
    float *targets;         /* (mu B, K): q of a batch */
    float *weights;         /* (mu B) */
    float *marks;           /* (B): weights of the labeled pictures */
    ssfer_vit vit;          /* the model with both heads */
    float *params;          /* its weights: a block of vit.table */
} ssfer_abc;

/* Beside a plain classifier and its weights. prior (K): the labeled pictures' share of each class, all more than 0;
 * batch: B; balanced: they are sampled by class. Release with deinit, also after an error. */
ssfer_status ssfer_abc_init(ssfer_abc *abc, const ssfer_vit *plain, const float *params, const double *prior,
                            bool balanced, size_t batch, size_t unlabeled_batch, ssfer_error *err);
void ssfer_abc_deinit(ssfer_abc *abc); /* {0} is fine */

/* abc->marks =: 1/count where the mask is 1, else 0. Draws one number a picture. */
void ssfer_abc_mark_labeled(ssfer_abc *abc, const int32_t *labels, size_t count, ssfer_rng *rng);

/* targets (count, K) := softmax of the teacher's auxiliary logits, which are in it; weights: 1 where the picture
 * counts, else 0. progress: t. Draws one number a picture. */
void ssfer_abc_judge_unlabeled(ssfer_abc *abc, double threshold, double progress, size_t count, ssfer_rng *rng);

/* targets and weights of the m->count pictures of a batch, blended by the masks. */
void ssfer_abc_mix(ssfer_abc *abc, ssfer_pseudo_mixup *m);

/* plain, a block of the plain classifier's table, =: `both`, a block of vit.table, with the auxiliary head alone. */
void ssfer_abc_narrow(const ssfer_abc *abc, float *plain, const float *both);

#endif
