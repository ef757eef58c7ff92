"""What a joint search tells: which parameters matter, its history, slices, contours, its front.

All of it is made of validation NDCG@10, parameters and seconds; test figures are never read here.
"""
