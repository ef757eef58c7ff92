"""Training: one loop for all models, exact resume, no Ray and no MLflow."""
