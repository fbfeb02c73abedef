#!/usr/bin/env bash
# The main job, on data made on the spot: describe a cell, register a scan and its labels, compute metrics.
set -euo pipefail
folder=${1:-$(mktemp -d)/siltomo-first-steps}
mkdir -p "$folder" && cd "$folder"

# a scan of 96 x 160 x 160 voxels: crossing cracks in a solid, with a lone pore, and the labels of both
python - <<'PY'
import numpy as np

rng = np.random.default_rng(1)
z, y, x = np.ogrid[:96, :160, :160]
crack = (abs(y - 60 - 0.2 * z) < 5) | (abs(x - 90 + 0.3 * y) < 4)
pore = (z - 70) ** 2 + (y - 120) ** 2 + (x - 130) ** 2 < 10**2
labels = np.where(crack, 1, np.where(pore, 2, 3)).astype(np.uint8)
grey = np.clip(60 + 70 * (labels == 3) + rng.normal(0, 12, labels.shape), 0, 255).astype(np.uint8)
np.save("scan.npy", grey)
np.save("labels.npy", labels)
PY

set -x
siltomo init catalog
export SILTOMO_CATALOG=$PWD/catalog
siltomo formulation add zn --si-fraction "0.699 g_Si/g" --additive ZnSO4
siltomo cell add zn1 --formulation zn --si-mass "0.13 mg_Si" --diameter "3 mm"
siltomo catalog add scan.npy --cell zn1 --scale micro --mode operando --cycle 1 --half delithiation \
    --capacity "1200 mAh/g_Si" --voxel-size "0.16 um" --id zn1-op18
siltomo segment import zn1-op18 labels.npy --phases 1=crack,2=pore,3=solid --domain electrode
siltomo compute metric crack_volume_fraction crack_surface_to_volume_ratio crack_width_median \
    crack_width_mean crack_interconnectivity pore_volume_fraction
siltomo catalog verify --full
